"""Runs of training with each implementation."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.errors import ConfigError
from femo_jax.models import create_model
from femo_jax.ops.native.build import NativeError
from femo_jax.train.augment import Augmentation
from femo_jax.train.checkpoints import load_for_inference
from femo_jax.train.config import TrainConfig
from femo_jax.train.loop import train
from femo_jax.train.optimizer import create_optimizer, create_schedule
from femo_jax.train.progress import SilentReporter
from femo_jax.train.state import NEVER, create_train_state
from femo_jax.train.steps import train_step
from femo_jax.train.targets import smooth_targets

pytestmark = pytest.mark.usefixtures("unoptimised")

CONFIG = TrainConfig(
    model="femonet",
    model_options={"widths": (8, 16), "dropout": 0.1},
    batch_size=32,
    eval_batch_size=32,
    learning_rate=0.05,
    warmup_epochs=0.0,
    schedule="constant",
    augmentation=Augmentation(flip=True, rotation=5.0, translation=0.5),
)


def batch_of(split, rows):
    labels = split.labels[rows]
    return {"image": split.images[rows], "label": labels, "target": np.asarray(smooth_targets(labels, 0.1, 7))}


def first_state(config, ops):
    model = create_model(config.model, ops=ops, **config.model_options).clone(dtype=jnp.dtype(config.dtype))
    tx = create_optimizer(config, create_schedule(config, steps_per_epoch=3))
    return create_train_state(jax.random.key(config.seed), model, tx)


def loss_curve(config, ops, split, steps=20):
    """The loss of each step, on batches that take turns."""
    state = first_state(config, ops)
    take_step = jax.jit(partial(train_step, config=config))
    losses, total = [], 0.0
    for step in range(steps):
        rows = np.arange(step * 32, step * 32 + 32) % len(split.labels)
        batch = batch_of(split, rows)
        state = take_step(state, batch, jnp.ones(7), jax.random.key(config.seed))
        assert int(state.metrics.first_bad_step) == NEVER
        losses.append(float(state.metrics.loss) - total)
        total = float(state.metrics.loss)
    return np.array(losses) / 32


@pytest.fixture(scope="module")
def by_xla(train_tiles, unoptimised):
    """The losses in float32 with XLA."""
    return loss_curve(CONFIG, "xla", train_tiles)


@pytest.mark.integration
def test_twenty_steps_agree_in_float32(onednn, by_xla, train_tiles):
    by_onednn = loss_curve(CONFIG, "onednn", train_tiles)
    np.testing.assert_allclose(by_onednn, by_xla, rtol=1e-3)
    assert by_xla[-3:].mean() < 0.9 * by_xla[:3].mean()  # weights have moved


@pytest.mark.integration
@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_twenty_steps_in_bfloat16_stay_near(dtype, onednn, by_xla, train_tiles):
    """A step rounds activations to 8 bits, 0.4 %; over twenty steps the losses part by a few of such roundings."""
    config = dataclasses.replace(CONFIG, dtype=dtype)
    curve = loss_curve(config, "onednn", train_tiles)
    np.testing.assert_allclose(curve, by_xla, rtol=0.05)


def test_a_loss_that_is_not_finite_is_seen(onednn, train_tiles):
    """ReLU inside oneDNN's BatchNorm must not hide it."""
    state = first_state(CONFIG, "onednn")
    broken = jax.tree.map(lambda leaf: leaf.at[0].set(jnp.nan), state.params["Conv_0"])
    state = state.replace(params=state.params | {"Conv_0": broken})
    batch = batch_of(train_tiles, np.arange(32))
    state = jax.jit(partial(train_step, config=CONFIG))(state, batch, jnp.ones(7), jax.random.key(0))
    assert int(state.metrics.first_bad_step) == 0


@pytest.mark.integration
def test_a_run_of_one_goes_on_with_the_other(onednn, train_tiles, validation_tiles, tmp_path):
    config = dataclasses.replace(CONFIG, epochs=1)
    train(config, tmp_path, train_tiles, validation_tiles, SilentReporter(), ops="onednn")
    # As if interrupted in the second of two epochs: the same folder, asked for more.
    record = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(record.replace('"epochs": 1', '"epochs": 2'))
    said = []

    class Listens(SilentReporter):
        def report(self, message):
            said.append(message)

    config = dataclasses.replace(CONFIG, epochs=2)
    train(config, tmp_path, train_tiles, validation_tiles, Listens(), ops="xla")
    assert said[0] == "kernel backend: xla (requested)"
    assert any("resuming at step 3 of 6" in text for text in said)
    loaded = load_for_inference(tmp_path)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(loaded.variables))


@pytest.mark.integration
def test_a_processor_without_bfloat16_trains_in_float32(onednn, train_tiles, validation_tiles, tmp_path, monkeypatch):
    """The same run as with float32, and its record says so."""
    monkeypatch.setattr("femo_jax.ops.choice.trains_in_bfloat16", lambda: False)
    losses = {}
    for dtype in ("float32", "bfloat16"):
        config = dataclasses.replace(CONFIG, epochs=1, dtype=dtype)
        train(config, tmp_path / dtype, train_tiles, validation_tiles, SilentReporter())
        record = json.loads((tmp_path / dtype / "config.json").read_text())
        assert (record["config"]["dtype"], record["environment"]["dtype"]) == (dtype, "float32")
        lines = (tmp_path / dtype / "metrics.jsonl").read_text().splitlines()
        losses[dtype] = [json.loads(line)["loss"] for line in lines]
    assert losses["bfloat16"] == losses["float32"]


@pytest.mark.integration
def test_without_the_extension_training_takes_xla_and_says_so(tmp_path):
    environment = os.environ | {"CXX": "false", "FEMO_CACHE": str(tmp_path / "cache")}
    config = tmp_path / "small.py"
    config.write_text(
        "from femo_jax.train.config import TrainConfig\n"
        'config = TrainConfig(model_options={"widths": (4,)}, epochs=1, batch_size=64, eval_batch_size=64)\n'
    )
    workdir = tmp_path / "run"
    command = [sys.executable, "-m", "femo_jax.cli.main", "train", config, "--data", "drawn", "--loader", "numpy"]
    result = subprocess.run(
        [*command, "--workdir", workdir], capture_output=True, text=True, env=environment, timeout=300
    )
    assert result.returncode == 0, result.stderr
    said = " ".join((result.stdout + result.stderr).split())
    assert re.search(r"kernel backend: xla \((the C\+\+ compiler 'false' cannot|oneDNN is not installed)", said)
    assert (workdir / "metrics.jsonl").exists()
    assert json.loads((workdir / "config.json").read_text())["environment"]["ops"] == "xla"


def test_without_the_extension_onednn_is_refused_before_a_run_folder_is_made(
    train_tiles, validation_tiles, tmp_path, monkeypatch
):
    def load():
        raise NativeError("no compiler")

    monkeypatch.setattr("femo_jax.ops.choice.load", load)
    with pytest.raises(ConfigError, match="ops onednn: no compiler"):
        train(CONFIG, tmp_path / "run", train_tiles, validation_tiles, SilentReporter(), ops="onednn")
    assert not (tmp_path / "run").exists()
