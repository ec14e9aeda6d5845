from dataclasses import replace

import checkpoints
import pytest

from femo_jax.data import drawn
from femo_jax.train import loop


@pytest.fixture
def spaces(monkeypatch):
    """Seconds between checkpoints in each training; their splits and their network are small."""
    monkeypatch.setattr(checkpoints, "CONFIG", replace(checkpoints.CONFIG, model_options={"widths": (4,), "blocks": 1}))
    monkeypatch.setattr(drawn, "FACES_PER_CLASS", {"train": 20, "validation": 3, "test": 3})
    spaces, train = [], loop.train
    monkeypatch.setattr(loop, "train", lambda *given, **named: (spaces.append(loop.SAVE_EVERY), train(*given, **named)))
    return spaces


def test_both_sides_take_turns(spaces, unoptimised, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints.ProcessorTime, "share_beside", lambda *_: 0.02)
    checkpoints.main(checkpoints.Options(rounds=1, epochs=1))
    assert spaces == [0.0, 10.0, 10.0, 0.0]
    assert "ratio        " in capsys.readouterr().out
    assert loop.SAVE_EVERY == 10.0


def test_a_busy_machine_gives_no_ratio(spaces, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints.ProcessorTime, "share_beside", lambda *_: 0.5)
    monkeypatch.setattr(loop, "train", lambda _config, _folder, _train, _validation, watch, **_: watch.stop())
    checkpoints.main(checkpoints.Options(rounds=1, epochs=1))
    printed = capsys.readouterr().out
    assert "other programs took 50% of the processors" in printed
    assert "ratio" not in printed
