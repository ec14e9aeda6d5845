import math
from collections import Counter

import pytest

from femo_jax.live.turns import Turns

EVERY = 0.1


def played(faces: int, rate: float, seconds: float = 3.0) -> tuple[list[int], list[float]]:
    """How many faces had a turn in each frame, and the seconds between two turns of a face."""
    turns, last = Turns(), dict.fromkeys(range(faces), 0.0)
    counts, waits = [], []
    for frame in range(1, round(seconds * rate)):
        time = frame / rate
        chosen = turns.choose({face: time - since for face, since in last.items()}, 1 / rate, EVERY)
        counts.append(len(chosen))
        for face in chosen:
            waits.append(time - last[face])
            last[face] = time
    return counts, waits


@pytest.mark.parametrize("faces", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("rate", [20.0, 30.0, 60.0, 100.0])
def test_each_face_has_its_turn_and_each_frame_its_share(faces, rate):
    counts, waits = played(faces, rate)
    share = faces / rate / EVERY
    assert set(counts[10:]) <= {math.floor(share + 1e-9), math.ceil(share - 1e-9)}
    assert max(waits) < 2 * EVERY
    assert sum(counts) == pytest.approx(share * len(counts), abs=faces + 1)


@pytest.mark.parametrize("rate", [2.0, 5.0, 10.0])
def test_in_slow_frames_it_is_the_turn_of_all(rate):
    counts, _ = played(4, rate)
    assert set(counts) == {4}


def test_what_waits_for_ever_takes_no_turn_of_others():
    turns, counts = Turns(), Counter()
    waited = {"a": 0.06, "b": 0.07, "new": math.inf}
    for _ in range(10):
        counts.update(turns.choose(waited, 0.025, EVERY))
    assert counts == {"new": 10, "b": 5}
