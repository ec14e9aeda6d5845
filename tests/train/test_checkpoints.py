import dataclasses
import errno
import gc
import json
import resource
import shutil

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from femo_jax.errors import CheckpointError
from femo_jax.files import write_json
from femo_jax.model_file import save_model_file
from femo_jax.train import checkpoints
from femo_jax.train.config import as_dict
from femo_jax.train.workdir import CONFIG_FILE

# Orbax leaves a callback behind when it gives up on a damaged array.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def state(tiny_config, new_state):
    """A state at step 6 with momentum and averages that differ from the weights."""
    fresh = new_state(tiny_config)
    rng = np.random.default_rng(0)
    noisy = jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype) if leaf.dtype == np.float32 else leaf, fresh
    )
    return noisy.replace(step=np.int32(6), metrics=fresh.metrics)


def assert_equal(one, other):
    leaves = [jax.tree_util.tree_leaves_with_path(tree) for tree in (one, other)]
    for (path, a), (other_path, b) in zip(*leaves, strict=True):
        assert path == other_path
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)


def steps_in(folder):
    return sorted(int(child.name) for child in folder.iterdir())


def largest_file(folder):
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def truncate(folder):
    path = largest_file(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bytes(folder):
    path = largest_file(folder)
    contents = bytearray(path.read_bytes())
    for index in range(0, len(contents), 97):
        contents[index] ^= 0x10
    path.write_bytes(contents)


def remove_arrays(folder):
    shutil.rmtree(folder / "state")


def test_a_state_is_restored_bit_for_bit(tmp_path, state, tiny_config, new_state):
    checkpoints.save_newest(tmp_path, state)
    assert_equal(checkpoints.restore_newest(tmp_path, new_state(tiny_config, seed=1)).state, state)


def test_seconds_of_an_interrupted_epoch_are_restored(tmp_path, state):
    checkpoints.save_newest(tmp_path, state, seconds=12.5)
    assert checkpoints.restore_newest(tmp_path, state).seconds == 12.5
    checkpoints.save_newest(tmp_path, state.replace(step=np.int32(8)))
    assert checkpoints.restore_newest(tmp_path, state).seconds == 0.0


def test_an_empty_folder_has_nothing_to_restore(tmp_path, state):
    assert checkpoints.restore_newest(tmp_path, state) is None


def test_the_two_newest_are_kept(tmp_path, state):
    for step in (6, 12, 18):
        checkpoints.save_newest(tmp_path, state.replace(step=np.int32(step)))
    assert steps_in(tmp_path / checkpoints.NEWEST) == [12, 18]


@pytest.mark.parametrize("damage", [truncate, flip_bytes, remove_arrays])
def test_a_damaged_newest_checkpoint_falls_back_to_the_previous_one(tmp_path, state, damage, caplog):
    for step in (6, 12):
        checkpoints.save_newest(tmp_path, state.replace(step=np.int32(step)))
    damage(tmp_path / checkpoints.NEWEST / "12")
    assert_equal(checkpoints.restore_newest(tmp_path, state).state, state)
    assert "12 is damaged" in caplog.text
    checkpoints.save_newest(tmp_path, state.replace(step=np.int32(12)))
    assert int(checkpoints.restore_newest(tmp_path, state).state.step) == 12


def test_a_run_resumed_from_an_earlier_step_overwrites_later_ones(tmp_path, state, new_state, tiny_config):
    for step in (6, 12):
        checkpoints.save_newest(tmp_path, state.replace(step=np.int32(step)))
    checkpoints.save_newest(tmp_path, state.replace(step=np.int32(9)))
    assert steps_in(tmp_path / checkpoints.NEWEST) == [6, 9]
    assert int(checkpoints.restore_newest(tmp_path, new_state(tiny_config)).state.step) == 9


def test_nothing_but_damaged_checkpoints_is_an_error(tmp_path, state):
    checkpoints.save_newest(tmp_path, state)
    truncate(tmp_path / checkpoints.NEWEST / "6")
    with pytest.raises(CheckpointError, match="every checkpoint is damaged"):
        checkpoints.restore_newest(tmp_path, state)


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, state, monkeypatch):
    checkpoints.save_newest(tmp_path, state)

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ocp.CheckpointManager, "save", full)
    with pytest.raises(CheckpointError, match=r"12.*No space left"):
        checkpoints.save_newest(tmp_path, state.replace(step=np.int32(12)))
    assert_equal(checkpoints.restore_newest(tmp_path, state).state, state)
    assert steps_in(tmp_path / checkpoints.NEWEST) == [6]


def test_a_disk_that_fills_up_while_saving_is_reported_without_tracebacks(tmp_path, state, capfd):
    """The limit on the size of a file stands for the full disk: TensorStore's own writes fail."""
    checkpoints.save_newest(tmp_path, state)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(CheckpointError, match=r"could not be saved.*Make room and start the same command again"):
            checkpoints.save_newest(tmp_path, state.replace(step=np.int32(12)))
        gc.collect()  # of the tasks that Orbax gave up
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capfd.readouterr() == ("", "")
    assert_equal(checkpoints.restore_newest(tmp_path, state).state, state)
    checkpoints.save_newest(tmp_path, state.replace(step=np.int32(18)))
    assert steps_in(tmp_path / checkpoints.NEWEST) == [6, 18]


def test_checkpoints_of_another_run_are_refused(tmp_path, state, tiny_config, new_state):
    checkpoints.save_newest(tmp_path, state)
    other = new_state(dataclasses.replace(tiny_config, model_options={"widths": (4, 6)}))
    with pytest.raises(CheckpointError, match=r"every checkpoint is damaged, or of another run.*--restart"):
        checkpoints.restore_newest(tmp_path, other)


def test_the_best_weights_become_a_model(tmp_path, state, tiny_config):
    frequencies = {"class_frequencies": {"happy": 0.6, "sad": 0.4}}
    write_json(tmp_path / CONFIG_FILE, {"config": as_dict(tiny_config), "data": {}, **frequencies})
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1, "step": 6, "split": "validation", "accuracy": 0.5}\n')
    checkpoints.save_best(tmp_path, 3, state.ema)
    checkpoints.save_best(tmp_path, int(state.step), state.ema)
    loaded = checkpoints.load_for_inference(tmp_path)
    assert loaded.architecture == "femonet"
    assert loaded.training["validation"]["accuracy"] == 0.5
    assert loaded.training["class_frequencies"] == frequencies["class_frequencies"]
    assert_equal(loaded.variables, dict(state.ema))


def test_the_same_run_gives_the_same_model_file_however_long_it_took(tmp_path, state, tiny_config):
    contents = []
    for seconds in (1.5, 2.5):
        workdir = tmp_path / str(seconds)
        write_json(workdir / CONFIG_FILE, {"config": as_dict(tiny_config), "data": {}})
        record = {"epoch": 1, "step": 6, "split": "validation", "accuracy": 0.5, "seconds": seconds}
        (workdir / "metrics.jsonl").write_text(json.dumps(record) + "\n")
        checkpoints.save_best(workdir, int(state.step), state.ema)
        save_model_file(workdir / "model.safetensors", checkpoints.load_for_inference(workdir))
        contents.append((workdir / "model.safetensors").read_bytes())
    assert contents[0] == contents[1]


def test_exported_config_has_the_names_of_soft_labels_and_teachers_without_their_folders(tmp_path, state, tiny_config):
    asked = as_dict(dataclasses.replace(tiny_config, soft_labels="/home/me/soft.safetensors", distillation_weight=0.5))
    asked["teachers"] = ["/home/me/teacher.safetensors"]
    write_json(tmp_path / CONFIG_FILE, {"config": asked, "data": {}})
    (tmp_path / "metrics.jsonl").touch()
    checkpoints.save_best(tmp_path, int(state.step), state.ema)
    bare = {"soft_labels": "soft.safetensors", "teachers": ["teacher.safetensors"]}
    assert checkpoints.load_for_inference(tmp_path).training["config"] == asked | bare


def test_a_folder_that_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        checkpoints.load_for_inference(tmp_path)


def test_a_run_without_a_checkpoint_is_refused(tmp_path, tiny_config):
    write_json(tmp_path / CONFIG_FILE, {"config": as_dict(tiny_config), "data": {}})
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        checkpoints.load_for_inference(tmp_path)
