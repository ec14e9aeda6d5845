import dataclasses
import json
import os
import signal

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from rich.console import Console

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.model_file import LoadedModel, load_model_file, save_model_file
from femo_jax.models import create_model
from femo_jax.runs import train_run, with_network_of_init
from femo_jax.train.checkpoints import load_for_inference
from femo_jax.train.config import TrainConfig, load_config
from femo_jax.train.loop import Interrupted, train
from femo_jax.train.progress import SilentReporter
from femo_jax.train.starting_weights import describe, start_from, with_options_of
from femo_jax.train.workdir import read_records

OPTIONS = {"widths": (6, 8), "blocks": 1, "dropout": 0.1}
CONTEMPT_FIRST = ("contempt", "Happiness", "anger")


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    """A model file of float16, of the network of `tiny_config`."""
    variables = create_model("femonet", **OPTIONS).init(jax.random.key(7), np.zeros((1, 48, 48, 1)), train=False)
    path = tmp_path_factory.mktemp("init") / "start.safetensors"
    save_model_file(path, LoadedModel("femonet", {**OPTIONS, "num_classes": 7}, variables))
    return path


def flat(variables):
    return flatten_dict(dict(variables), sep="/")


def test_the_body_is_copied_and_the_head_by_class_name(small_file, tiny_config, new_state):
    loaded = load_model_file(small_file)
    config = dataclasses.replace(tiny_config, init="start.safetensors")
    three = dataclasses.replace(tiny_config, model_options={**OPTIONS, "num_classes": 3})
    fresh = new_state(three)
    state, record = start_from(fresh, loaded, config, CONTEMPT_FIRST)
    assert record["head"] == {
        "copied": ["Happiness", "anger"],
        "initialised": ["contempt"],
        "left_out": ["disgust", "fear", "neutral", "sad", "surprise"],
    }
    old, new, initial = (flat(each) for each in (loaded.variables, state.variables, fresh.variables))
    for name in new.keys() - {"params/head/kernel", "params/head/bias"}:
        np.testing.assert_array_equal(new[name], old[name])
    kernel = new["params/head/kernel"]
    np.testing.assert_array_equal(kernel[:, 0], initial["params/head/kernel"][:, 0])
    np.testing.assert_array_equal(kernel[:, 1], old["params/head/kernel"][:, EMOTIONS.index("happy")])
    np.testing.assert_array_equal(kernel[:, 2], old["params/head/kernel"][:, EMOTIONS.index("angry")])
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, state.variables, state.ema)))
    assert describe(record)[1].startswith("head: copied Happiness, anger; initialised contempt; left out disgust")


def test_a_body_of_another_shape_is_refused_with_the_name_of_the_parameter(small_file, tiny_config, new_state):
    config = dataclasses.replace(tiny_config, model_options={**OPTIONS, "widths": (6, 10)}, init="x")
    with pytest.raises(ConfigError, match=r"BatchNorm_2/mean has shape \[8\], expected \[10\] and .* more"):
        start_from(new_state(config), load_model_file(small_file), config, EMOTIONS)
    deeper = dataclasses.replace(tiny_config, model_options={**OPTIONS, "blocks": 2}, init="x")
    with pytest.raises(ConfigError, match="is missing"):
        start_from(new_state(deeper), load_model_file(small_file), deeper, EMOTIONS)


def test_options_of_the_network_are_those_of_the_starting_weights(small_file):
    config = with_network_of_init(TrainConfig(init=str(small_file), model_options={"dropout": 0.4}))
    assert dict(config.model_options)["widths"] == [6, 8] and config.model_options["dropout"] == 0.4
    assert "num_classes" not in config.model_options
    with pytest.raises(ConfigError, match=r"architecture femonet, and model is simple_cnn.*--model femonet"):
        with_options_of(TrainConfig(init="x", model="simple_cnn"), load_model_file(small_file))


def test_the_packaged_configuration_starts_from_either_shipped_model():
    config = load_config("finetune")
    assert config.init == "default"
    small = with_network_of_init(dataclasses.replace(config, init="small"))
    assert tuple(small.model_options["widths"]) == (48, 96, 160, 160)


def test_a_file_beside_a_configuration_is_found_and_a_name_stays_a_name(tmp_path):
    path = tmp_path / "mine.py"
    text = "from femo_jax.train.config import TrainConfig\nconfig = TrainConfig(init='{}')\n"
    path.write_text(text.format("start.safetensors"))
    assert load_config(path).init == str(tmp_path / "start.safetensors")
    path.write_text(text.format("small"))
    assert load_config(path).init == "small"


def test_whitening_of_a_loaded_kernel_is_refused():
    with pytest.raises(ConfigError, match="whitening_init"):
        TrainConfig(init="default", whitening_init=True)


class Listens(SilentReporter):
    """Keeps the lines of a report."""

    def __init__(self):
        self.lines = []

    def report(self, message):
        self.lines.append(message)


def test_a_resumed_run_is_the_same_as_an_uninterrupted_one_and_needs_no_starting_weights(
    small_file, tiny_config, train_tiles, validation_tiles, tmp_path
):
    config = dataclasses.replace(
        tiny_config, init=str(small_file), freeze="Conv_0,BatchNorm_0", layer_lr_decay=0.8, head_lr_multiplier=2.0
    )
    calls = []

    def load(init):
        calls.append(init)
        return load_model_file(init)

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    reporter = Listens()
    train(config, whole, train_tiles, validation_tiles, reporter, load_model=load)
    assert any(line.startswith(f"starting weights: {small_file}") for line in reporter.lines)
    assert "frozen: BatchNorm_0, Conv_0" in reporter.lines
    record = json.loads((whole / "config.json").read_text())["fine_tuning"]
    assert record["head"]["copied"] == list(EMOTIONS) and record["frozen"]["batch_norm"] == ["BatchNorm_0"]

    class Signals(SilentReporter):
        def epoch(self, *_):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        train(config, broken, train_tiles, validation_tiles, Signals(), load_model=load)
    assert len(calls) == 2

    def gone(init):
        raise AssertionError("a run that resumes loads no starting weights")

    train(config, broken, train_tiles, validation_tiles, SilentReporter(), load_model=gone)
    one, other = load_for_inference(whole), load_for_inference(broken)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, one.variables, other.variables)))
    losses = [[line["loss"] for line in read_records(each / "metrics.jsonl")] for each in (whole, broken)]
    assert losses[0] == losses[1]
    start = load_model_file(small_file).variables
    np.testing.assert_array_equal(one.variables["params"]["Conv_0"]["kernel"], start["params"]["Conv_0"]["kernel"])
    assert one.training["fine_tuning"]["init"] == small_file.name == one.training["config"]["init"]


def test_starting_weights_that_do_not_fit_leave_no_run_folder(
    small_file, tiny_config, train_tiles, validation_tiles, tmp_path
):
    config = dataclasses.replace(tiny_config, model_options={**OPTIONS, "widths": (6, 10)}, init=str(small_file))
    with pytest.raises(ConfigError, match="expected"):
        train(config, tmp_path / "run", train_tiles, validation_tiles, SilentReporter(), load_model=load_model_file)
    assert not (tmp_path / "run").exists()


def test_a_whole_run_loads_its_starting_weights_and_resumes_without_them(
    small_file, tiny_config, train_tiles, validation_tiles, tmp_path
):
    """The options of the network come from the file, and from config.json once the run has begun."""
    start = tmp_path / "start.safetensors"
    start.write_bytes(small_file.read_bytes())
    config = dataclasses.replace(tiny_config, init=str(start), model_options={}, epochs=1)
    splits = (train_tiles, validation_tiles)
    train_run(config, tmp_path / "run", *splits, ops="xla", console=Console(quiet=True))
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["config"]["model_options"]["widths"] == [6, 8]
    assert record["fine_tuning"]["head"]["copied"] == list(EMOTIONS)
    start.unlink()
    longer = dataclasses.replace(config, epochs=2)
    train_run(longer, tmp_path / "run", *splits, ops="xla", console=Console(quiet=True))
    assert len(read_records(tmp_path / "run" / "metrics.jsonl")) == 4
