import dataclasses
import itertools
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from flax import linen as nn

from femo_jax.data.splits import Split
from femo_jax.errors import CheckpointError, ConfigError, DivergenceError
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.model_file import logits_function, save_model_file
from femo_jax.models.registry import register
from femo_jax.runtime import processor_name
from femo_jax.train import loop
from femo_jax.train.checkpoints import load_for_inference, restore_newest
from femo_jax.train.loop import Interrupted, train
from femo_jax.train.progress import SilentReporter
from femo_jax.train.targets import save_soft_labels
from femo_jax.train.workdir import finished_steps, read_records

CLOCK = ("seconds", "images_per_second")

FIRST_LOSSES = [1.995014, 2.586126, 1.906927, 2.665687, 1.802349, 2.449798]
"""Losses of training and validation by epoch, computed with git revision dd0019e and XLA on a CPU."""


class StopsAt(SilentReporter):
    """Sends this process a signal when a step is reached."""

    def __init__(self, step):
        self.step = step

    def advance(self, step, *_):
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def records(workdir):
    """The metric log without what depends on the clock."""
    return [
        {name: value for name, value in record.items() if name not in CLOCK}
        for record in read_records(workdir / "metrics.jsonl")
    ]


def losses(workdir):
    """Losses of training and validation by epoch."""
    return [record["loss"] for record in records(workdir)]


def assert_same_run(one, other):
    assert records(one) == records(other)
    weights = [load_for_inference(workdir).variables for workdir in (one, other)]
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, *weights)))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, tiny_config, train_tiles, validation_tiles):
    """The workdir of a run from start to end."""
    workdir = tmp_path_factory.mktemp("unbroken")
    train(tiny_config, workdir, train_tiles, validation_tiles, SilentReporter())
    return workdir


def test_a_run_leaves_config_metrics_and_checkpoints(unbroken, tiny_config):
    log = read_records(unbroken / "metrics.jsonl")
    assert [(record["epoch"], record["split"]) for record in log] == [
        (epoch, split) for epoch in (1, 2, 3) for split in ("train", "validation")
    ]
    for record in log[::2]:
        assert record.keys() >= {"loss", "accuracy", "learning_rate", "gradient_norm", "update_norm", *CLOCK}
    config = json.loads((unbroken / "config.json").read_text())
    assert config["config"]["seed"] == tiny_config.seed
    assert config["data"]["train"]["n"] == 96
    assert "jax" in config["environment"]["versions"]
    assert 1 <= config["environment"]["cores"] <= os.cpu_count()
    assert config["environment"]["device"] == processor_name()


def test_losses_are_those_before_the_loop_was_split(unbroken):
    assert losses(unbroken) == pytest.approx(FIRST_LOSSES, rel=1e-3)


def test_a_run_learns(tiny_config, train_tiles, validation_tiles, tmp_path):
    config = dataclasses.replace(tiny_config, epochs=12, learning_rate=0.1)
    train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    best = max(record["accuracy"] for record in records(tmp_path) if record["split"] == "validation")
    assert best > 0.8
    assert load_for_inference(tmp_path).training["validation"]["accuracy"] == best


def test_the_same_seed_gives_the_same_run_with_another_loader(
    unbroken, tiny_config, train_tiles, validation_tiles, tmp_path
):
    train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter(), loader="numpy")
    assert_same_run(unbroken, tmp_path)


@pytest.mark.parametrize("step", [2, 6, 9, 17])
def test_a_resumed_run_equals_an_uninterrupted_one(
    step, unbroken, tiny_config, train_tiles, validation_tiles, tmp_path, monkeypatch
):
    monkeypatch.setattr("femo_jax.train.loop.REPORT_EVERY", 1)
    with pytest.raises(Interrupted) as stopped:
        train(tiny_config, tmp_path, train_tiles, validation_tiles, StopsAt(step))
    assert stopped.value.signum == signal.SIGTERM
    train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert_same_run(unbroken, tmp_path)


def test_the_seconds_before_a_stop_are_counted(
    tiny_config, train_tiles, validation_tiles, tmp_path, new_state, monkeypatch
):
    """A second passes with each look at the clock, of which there are several before the stop."""
    clock = map(float, itertools.count())
    monkeypatch.setattr("femo_jax.train.loop.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr("femo_jax.train.loop.REPORT_EVERY", 1)
    with pytest.raises(Interrupted):
        train(tiny_config, tmp_path, train_tiles, validation_tiles, StopsAt(4))
    spent = restore_newest(tmp_path, new_state(tiny_config)).seconds
    assert spent > 3
    train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    first, second = (record for record in read_records(tmp_path / "metrics.jsonl")[:3] if record["split"] == "train")
    assert first["seconds"] > spent
    assert first["seconds"] == second["seconds"] + 1  # its clock was looked at once more, when it was stopped


def test_a_finished_run_is_left_alone(unbroken, tiny_config, train_tiles, validation_tiles):
    before = (unbroken / "metrics.jsonl").read_bytes()
    train(tiny_config, unbroken, train_tiles, validation_tiles, SilentReporter())
    assert (unbroken / "metrics.jsonl").read_bytes() == before


def test_another_configuration_in_the_same_workdir_is_refused(unbroken, tiny_config, train_tiles, validation_tiles):
    other = dataclasses.replace(tiny_config, learning_rate=0.01, seed=5)
    with pytest.raises(ConfigError, match=r"learning_rate: 0\.05 before, 0\.01 now\n  .*seed: 0 before, 5 now"):
        train(other, unbroken, train_tiles, validation_tiles, SilentReporter())


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_bfloat16_trains_float32_weights_that_are_evaluated_in_float32(
    dtype, implementation, tiny_config, train_tiles, validation_tiles, tmp_path
):
    """The accuracy in the log is that of the weights as they are exported."""
    config = dataclasses.replace(tiny_config, dtype=dtype, epochs=6, learning_rate=0.1)
    train(config, tmp_path, train_tiles, validation_tiles, SilentReporter(), ops=implementation)
    model = load_for_inference(tmp_path)
    assert {leaf.dtype for leaf in jax.tree.leaves(model.variables)} == {np.dtype(np.float32)}
    probabilities = predict_probabilities(logits_function(model), validation_tiles.images)
    assert probabilities.dtype == np.float32
    accuracy = (probabilities.argmax(-1) == validation_tiles.labels).mean()
    assert accuracy == pytest.approx(model.training["validation"]["accuracy"])
    assert accuracy > 0.4


def test_a_run_of_an_older_version_resumes(tiny_config, train_tiles, validation_tiles, tmp_path, unbroken):
    """Its config.json lacks the fields that came later; they have their defaults."""
    with pytest.raises(Interrupted):
        train(tiny_config, tmp_path, train_tiles, validation_tiles, StopsAt(6))
    path = tmp_path / "config.json"
    record = json.loads(path.read_text())
    del record["config"]["dtype"], record["config"]["augmentation"]["blur"], record["environment"]["ops"]
    path.write_text(json.dumps(record))
    train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert_same_run(tmp_path, unbroken)
    other = dataclasses.replace(tiny_config, dtype="bfloat16")
    with pytest.raises(ConfigError, match="dtype: float32 before, bfloat16 now"):
        train(other, tmp_path, train_tiles, validation_tiles, SilentReporter())


def test_checkpoints_without_config_json_are_refused(tiny_config, train_tiles, validation_tiles, tmp_path):
    with pytest.raises(Interrupted):
        train(tiny_config, tmp_path, train_tiles, validation_tiles, StopsAt(6))
    (tmp_path / "config.json").unlink()
    other = dataclasses.replace(tiny_config, epochs=4)
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        train(other, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert not (tmp_path / "config.json").exists()


def test_other_data_in_the_same_workdir_are_refused(unbroken, tiny_config, train_tiles, validation_tiles):
    other = Split(train_tiles.images, np.roll(train_tiles.labels, 1), train_tiles.names)
    with pytest.raises(ConfigError, match=r"data\.train\.sha256"):
        train(tiny_config, unbroken, other, validation_tiles, SilentReporter())


def test_divergence_stops_and_keeps_the_last_good_state(
    tiny_config, train_tiles, validation_tiles, tmp_path, new_state, monkeypatch
):
    """The learning rate explodes in the second epoch."""
    monkeypatch.setattr("femo_jax.train.loop.create_schedule", lambda *_: lambda s: np.float32(0.05) + (s >= 8) * 1e30)
    with pytest.raises(DivergenceError, match=r"not finite at step (9|10)\b"):
        train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    state = restore_newest(tmp_path, new_state(tiny_config)).state
    assert int(state.step) == 6
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


def test_a_batch_that_devices_cannot_share_is_refused(
    tiny_config, train_tiles, validation_tiles, tmp_path, monkeypatch
):
    class FourDevices:
        size = 4

    monkeypatch.setattr("femo_jax.train.loop.data_mesh", FourDevices)
    config = dataclasses.replace(tiny_config, batch_size=18)
    with pytest.raises(ConfigError, match=r"batch_size is 18.*4 devices"):
        train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert not (tmp_path / "config.json").exists()


def test_a_low_res_size_that_the_network_cannot_take_is_refused(tiny_config, train_tiles, validation_tiles, tmp_path):
    """Before the run folder is claimed: the corrected command may use it."""
    config = dataclasses.replace(tiny_config, low_res_epochs=1, low_res_size=33)
    with pytest.raises(ConfigError, match=r"low_res_size is 33, and femonet does not take"):
        train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert not (tmp_path / "config.json").exists()


def test_balanced_class_weights_train(tiny_config, train_tiles, validation_tiles, tmp_path):
    config = dataclasses.replace(tiny_config, epochs=1, class_weights="balanced")
    train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert len(records(tmp_path)) == 2


def test_low_res_epochs_self_distillation_and_muon_resume(tiny_config, train_tiles, validation_tiles, tmp_path):
    """With self-distillation, whose running predictions are in the checkpoint, Muon, and a whitened first layer."""
    config = dataclasses.replace(
        tiny_config,
        low_res_epochs=1,
        low_res_size=24,
        self_distillation=0.5,
        optimizer="muon",
        whitening_init=True,
    )
    train(config, tmp_path / "whole", train_tiles, validation_tiles, SilentReporter(), ops="xla")
    with pytest.raises(Interrupted):
        train(config, tmp_path / "stopped", train_tiles, validation_tiles, StopsAt(12), ops="xla")
    train(config, tmp_path / "stopped", train_tiles, validation_tiles, SilentReporter(), ops="xla")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_other_soft_labels_in_the_same_workdir_are_refused(tiny_config, train_tiles, validation_tiles, tmp_path):
    path = tmp_path / "soft.safetensors"
    config = dataclasses.replace(tiny_config, epochs=1, soft_labels=str(path), distillation_weight=0.5)
    for probabilities in (np.eye(7)[train_tiles.labels], np.full((96, 7), 1 / 7)):
        save_soft_labels(path, train_tiles, probabilities, ["teacher"])
        if (tmp_path / "run").exists():
            with pytest.raises(ConfigError, match=r"soft_labels\.sha256"):
                train(config, tmp_path / "run", train_tiles, validation_tiles, SilentReporter())
        else:
            train(config, tmp_path / "run", train_tiles, validation_tiles, SilentReporter())


def test_training_begins_from_the_whitened_layer(tmp_path, tiny_config, train_tiles, validation_tiles):
    config = dataclasses.replace(tiny_config, epochs=1, learning_rate=0.0, whitening_init=True)
    train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    kernel = load_for_inference(tmp_path).variables["params"]["Conv_0"]["kernel"]
    np.testing.assert_array_equal(kernel[..., :3], -kernel[..., 3:])


def test_training_works_off_the_main_thread(unbroken, tiny_config, train_tiles, validation_tiles, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(train, tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter()).result()
    assert_same_run(unbroken, tmp_path)


@register("without_batch_norm")
class WithoutBatchNorm(nn.Module):
    """A user's network: no BatchNorm, and no field for the compute dtype."""

    num_classes: int = 7

    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(self.num_classes)(images.mean((1, 2)))


def test_a_network_without_batch_norm_trains_resumes_and_becomes_a_model(
    tiny_config, train_tiles, validation_tiles, tmp_path
):
    config = dataclasses.replace(tiny_config, model="without_batch_norm", model_options={}, epochs=2)
    with pytest.raises(Interrupted):
        train(config, tmp_path, train_tiles, validation_tiles, StopsAt(6))
    train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert len(records(tmp_path)) == 4
    save_model_file(tmp_path / "model.safetensors", load_for_inference(tmp_path))


@register("wrong_number_of_logits")
class WrongNumberOfLogits(nn.Module):
    """A user's network that does not fit."""

    num_classes: int = 7

    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(3)(images.mean((1, 2)))


def test_a_network_that_does_not_fit_fails_before_the_first_epoch(tiny_config, train_tiles, validation_tiles, tmp_path):
    config = dataclasses.replace(tiny_config, model="wrong_number_of_logits", model_options={})
    with pytest.raises(ConfigError, match="wrong_number_of_logits fails in a training step"):
        train(config, tmp_path / "run", train_tiles, validation_tiles, SilentReporter())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("killed_in", ["save_newest", "save_best", "append_record"])
def test_metrics_and_best_weights_agree_after_a_kill_between_two_files(
    killed_in, unbroken, tiny_config, train_tiles, validation_tiles, tmp_path, monkeypatch
):
    """In the first epoch, whose weights are the best so far: the exception stands for SIGKILL."""

    class Killed(BaseException):
        pass

    def kill(*_args, **_kwargs):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(f"femo_jax.train.loop.{killed_in}", kill)
        train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert_same_run(unbroken, tmp_path)


def second_is_best(patch):
    """Has the second epoch the best accuracy, whatever the network learns."""
    evaluate = loop._evaluate
    accuracies = (0.1, 0.5, 0.4, 0.3)
    patch.setattr(
        loop,
        "_evaluate",
        lambda run, state, epoch: evaluate(run, state, epoch) | {"accuracy": accuracies[epoch - 1]},
    )


def test_of_epochs_of_equal_accuracy_the_one_of_the_lowest_loss_is_kept_also_by_a_resumed_run(
    tiny_config, train_tiles, validation_tiles, tmp_path, monkeypatch
):
    """A small validation split has few accuracies: the first epoch of several is the least trained."""
    evaluate, losses = loop._evaluate, (1.5, 0.9, 1.1, 1.2)
    monkeypatch.setattr(
        loop,
        "_evaluate",
        lambda run, state, epoch: evaluate(run, state, epoch) | {"accuracy": 0.5, "loss": losses[epoch - 1]},
    )
    for epochs in (3, 4):
        config = dataclasses.replace(tiny_config, epochs=epochs)
        train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
        (second,) = [each["step"] for each in records(tmp_path) if (each["epoch"], each["split"]) == (2, "validation")]
        assert max(finished_steps(tmp_path / "best")) == second


@pytest.fixture(scope="module")
def whole_falling(tmp_path_factory, tiny_config, train_tiles, validation_tiles):
    """The workdir of an unbroken run of four epochs."""
    workdir = tmp_path_factory.mktemp("falling")
    with pytest.MonkeyPatch.context() as patch:
        second_is_best(patch)
        config = dataclasses.replace(tiny_config, epochs=4)
        train(config, workdir, train_tiles, validation_tiles, SilentReporter())
    return workdir


@pytest.fixture
def falling(whole_falling, tiny_config, monkeypatch):
    """Configuration and workdir of a run whose best epoch is neither the first nor the last."""
    second_is_best(monkeypatch)
    return dataclasses.replace(tiny_config, epochs=4), whole_falling


@pytest.mark.parametrize(
    ("killed_in", "call"), [("save_newest", 2), ("save_best", 2), ("append_record", 3), ("append_record", 7)]
)
def test_several_epochs_between_two_checkpoints_survive_a_kill(
    killed_in, call, falling, train_tiles, validation_tiles, tmp_path, monkeypatch
):
    """The first epoch is saved, and the last, with the best weights of one between them."""
    config, workdir = falling
    monkeypatch.setattr("femo_jax.train.loop.SAVE_EVERY", np.inf)

    class Killed(BaseException):
        pass

    calls = []
    whole = getattr(loop, killed_in)

    def kill(*arguments, **named):
        calls.append(arguments)
        if len(calls) == call:
            raise Killed
        whole(*arguments, **named)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(f"femo_jax.train.loop.{killed_in}", kill)
        train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert_same_run(workdir, tmp_path)


def test_a_run_stopped_within_an_epoch_saves_the_epochs_before_it(
    falling, train_tiles, validation_tiles, tmp_path, monkeypatch
):
    config, workdir = falling
    monkeypatch.setattr("femo_jax.train.loop.SAVE_EVERY", np.inf)
    monkeypatch.setattr("femo_jax.train.loop.REPORT_EVERY", 1)
    with pytest.raises(Interrupted):
        train(config, tmp_path, train_tiles, validation_tiles, StopsAt(20))
    assert records(tmp_path) == records(workdir)[:6]
    train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert_same_run(workdir, tmp_path)


@pytest.mark.parametrize(("seconds", "expected"), [(np.inf, [6, 18]), (0.0, [6, 12, 18])])
def test_checkpoints_are_so_many_seconds_apart_but_the_last_epoch_is_saved(
    seconds, expected, tiny_config, train_tiles, validation_tiles, tmp_path, monkeypatch
):
    saved = []
    monkeypatch.setattr("femo_jax.train.loop.SAVE_EVERY", seconds)
    monkeypatch.setattr("femo_jax.train.loop.save_newest", lambda _, state, *__: saved.append(int(state.step)))
    train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert saved == expected


def test_divergence_before_the_first_checkpoint_names_no_checkpoint(
    tiny_config, train_tiles, validation_tiles, tmp_path
):
    config = dataclasses.replace(tiny_config, learning_rate=1e30)
    with pytest.raises(DivergenceError, match="No checkpoint was saved before"):
        train(config, tmp_path, train_tiles, validation_tiles, SilentReporter())


def test_a_finished_run_is_lengthened_and_restart_begins_again(
    unbroken, tiny_config, train_tiles, validation_tiles, tmp_path
):
    shorter = dataclasses.replace(tiny_config, epochs=2)  # its schedule is constant
    train(shorter, tmp_path, train_tiles, validation_tiles, SilentReporter())
    train(tiny_config, tmp_path, train_tiles, validation_tiles, SilentReporter())
    assert_same_run(unbroken, tmp_path)
    train(shorter, tmp_path, train_tiles, validation_tiles, SilentReporter(), restart=True)
    assert len(records(tmp_path)) == 4
