import sys

import pytest

from femo_jax.errors import ConfigError
from femo_jax.train.progress import record_writer


def test_scalars_are_written_by_epoch(tmp_path):
    with record_writer(tmp_path) as write:
        write({"epoch": 3, "split": "train", "loss": 1.25, "step": 9})
    (events,) = (tmp_path / "tensorboard").iterdir()
    contents = events.read_bytes()
    assert b"train/loss" in contents
    assert b"train/epoch" not in contents


def test_without_a_workdir_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with record_writer(None) as write:
        assert write is None


def test_missing_tensorboardx_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match="tensorboardX"), record_writer(tmp_path):
        pass
