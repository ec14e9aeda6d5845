import checkpoints
import pytest

from femo_jax.data import drawn
from femo_jax.train import loop


@pytest.mark.parametrize(
    ("busy", "said"), [(0.02, "ratio        "), (0.5, "other programs took 50% of the processors")]
)
def test_both_sides_take_turns_and_a_busy_machine_gives_no_ratio(busy, said, unoptimised, monkeypatch, capsys):
    monkeypatch.setattr(drawn, "FACES_PER_CLASS", {"train": 20, "validation": 3, "test": 3})
    monkeypatch.setattr(checkpoints.ProcessorTime, "share_beside", lambda *_: busy)
    spaces = []
    train = loop.train
    monkeypatch.setattr(loop, "train", lambda *given, **named: (spaces.append(loop.SAVE_EVERY), train(*given, **named)))
    checkpoints.main(checkpoints.Options(rounds=1, epochs=1))
    assert spaces == [0.0, 10.0, 10.0, 0.0]
    assert said in capsys.readouterr().out
    assert loop.SAVE_EVERY == 10.0
