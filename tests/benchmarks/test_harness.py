"""Systems are measured in turn, on the same frames, each in a process of its own."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from frames import Scene
from harness import Frames, Participant, Start, cold_start_seconds, count_faces, measure_frames, speed

from femo_jax.errors import FemoError
from femo_jax.live.image import Box

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SHAPE = (4, 6, 3)

FAKE = """
import json, os, sys, time
sys.path.insert(0, os.environ["BENCHMARKS"])
from worker import serve

class Fake:
    def __init__(self):
        print("a library greets")
        time.sleep(0.3)

    def versions(self):
        return {"fake": "1.0"}

    def start(self, mode):
        self.note(mode, "start")
        return lambda frame, time: self.recognise(mode, frame, time)

    def recognise(self, mode, frame, seconds):
        time.sleep(0.005)
        print("a library chatters")
        self.note(mode, int(frame.max()), seconds)
        return [(1, 2, 3, int(frame.max()))]

    def classifier(self, faces):
        return lambda: time.sleep(0.001 * faces)

    def note(self, *words):
        with open(os.environ["NOTES"], "a") as notes:
            print(json.dumps([os.environ["NAME"], *words]), file=notes)

serve(Fake)
"""


@pytest.fixture
def start(tmp_path):
    """A function that gives the start of a fake worker, by its name."""
    script = tmp_path / "fake_worker.py"
    script.write_text(FAKE)
    settings = {"BENCHMARKS": str(BENCHMARKS), "NOTES": str(tmp_path / "notes")}
    return lambda name: Start([sys.executable, script], {**settings, "NAME": name})


@pytest.fixture
def frames(tmp_path):
    """A scene of 70 frames and one of 2; each frame is filled with its number, of the 72."""
    path = tmp_path / "frames.raw"
    np.stack([np.full(SHAPE, number, np.uint8) for number in range(72)]).tofile(path)
    times = [number / 10 for number in range(70)]
    return Frames(path, SHAPE, [Scene("long", 0, times, [None] * 70), Scene("short", 70, [0.0, 0.1], [None] * 2)])


def notes(tmp_path):
    return [json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()]


def test_every_participant_gets_every_frame_of_each_round_with_its_time(start, frames, tmp_path):
    with start("a").running() as first, start("b").running() as second:
        participants = [Participant("a", first, "stream"), Participant("b", second, "images")]
        measure_frames(participants, frames, rounds=2)
    expected = [(number, number / 10) for number in range(70)] + [(70, 0.0), (71, 0.1)]
    for participant in participants:
        assert [len(times) for times in participant.rounds] == [72, 72]
        assert all(milliseconds >= 5 for times in participant.rounds for milliseconds in times)
        assert participant.boxes == [[Box(1, 2, 3, number)] for number in range(72)]
        seen = [tuple(words[2:]) for words in notes(tmp_path) if words[0] == participant.name and words[2] != "start"]
        assert seen == expected[:60] + 2 * expected  # the first block is a warm-up


def test_blocks_go_to_the_participants_in_turn_and_each_scene_begins_a_stream(start, frames, tmp_path):
    with start("a").running() as first, start("b").running() as second:
        measure_frames([Participant("a", first, "s"), Participant("b", second, "s")], frames, rounds=1)
    turns = []
    for name, _, *words in notes(tmp_path):
        if not turns or turns[-1][0] != name or words == ["start"]:
            turns.append([name, 0, words == ["start"]])
        turns[-1][1] += words != ["start"]
    warm_up, measured = turns[:2], turns[2:]
    assert warm_up == [["a", 60, True], ["b", 60, True]]
    # Blocks of 60, 10 and 2 frames. What runs twice in a row without a new stream shows here as one turn.
    assert measured == [["a", 60, True], ["b", 70, True], ["a", 10, False], ["a", 2, True], ["b", 2, True]]


def test_other_answers_of_a_worker(start, frames):
    with start("a").running() as worker:
        times = worker.ask("classify", faces=4, repeats=3)["milliseconds"]
        assert len(times) == 3 and all(time >= 4 for time in times)
        assert 5 < worker.ask("memory")["peak_mib"] < 1000
        assert worker.ask("versions") == {"python": sys.version.split()[0], "fake": "1.0"}


def test_cold_start_counts_loading(start, frames):
    assert cold_start_seconds(start("a"), "stream", frames) > 0.3


def test_a_worker_that_fails_says_why(start, frames, tmp_path):
    (tmp_path / "fake_worker.py").write_text("raise SystemExit('no such cascade')")
    with pytest.raises(FemoError, match=r"fake_worker.py failed:\nno such cascade"):
        cold_start_seconds(start("a"), "stream", frames)


def test_speed_is_the_median_over_rounds():
    measured = speed([[10.0] * 19 + [110.0], [20.0] * 20, [40.0] * 20])
    assert measured["median_ms"] == 20
    assert measured["p95_ms"] == 20
    assert measured["frames_per_second_rounds"] == pytest.approx([1000 / 15, 50, 25])
    assert measured["frames_per_second"] == pytest.approx(50)


def test_each_true_face_counts_once():
    there = [Box(0, 0, 100, 100), Box(200, 0, 100, 100)]
    found = [Box(5, 5, 100, 100), Box(0, 0, 98, 98), Box(250, 0, 100, 100)]  # a face twice, and one half beside
    assert count_faces([found], [there]) == {"faces": 3, "true_faces": 1, "false_faces": 2, "faces_there": 2}


def test_frames_without_known_truth_count_only_as_found():
    found = [[Box(0, 0, 10, 10)], [], [Box(0, 0, 10, 10)], []]
    truth = [None, None, [], [Box(0, 0, 10, 10)]]
    assert count_faces(found, truth) == {"faces": 2, "true_faces": 0, "false_faces": 1, "faces_there": 1}
