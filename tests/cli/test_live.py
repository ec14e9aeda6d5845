import json
import os
import re
import signal
import sys
from contextlib import nullcontext
from dataclasses import replace

import cv2
import numpy as np
import pytest

from femo_jax.cli import live as command
from femo_jax.cli.live import Options
from femo_jax.cli.main import main
from femo_jax.errors import SourceError
from femo_jax.live.image import Box, CropGeometry
from femo_jax.live.output.video import VideoWriter
from femo_jax.live.playing.window import KEYS
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.sources.frame import Frame


class OneFace:
    """A detector that finds the same face in every frame."""

    geometry = CropGeometry(scale=1.0, shift=0.0)
    box = Box(20, 10, 40, 40)

    def detect(self, image, *, still=True):
        return [self.box]

    def detect_near(self, image, boxes, window, scales):
        return list(boxes)


@pytest.fixture(scope="module")
def recognizer(random_model):
    return EmotionRecognizer(replace(random_model, temperature=1e5), OneFace(), batch_sizes=(1,))


@pytest.fixture(autouse=True)
def quick(recognizer, monkeypatch):
    """No model is loaded, and there is no display."""
    monkeypatch.setattr(command.EmotionRecognizer, "load", lambda *_, **__: recognizer)
    monkeypatch.setattr(command, "why_no_window", lambda: "no display")


def noise_clip(path, count, size, seed):
    """Writes a clip of so many frames of noise, of a height and width; gives its path."""
    rng = np.random.default_rng(seed)
    with VideoWriter(path, 25.0) as writer:
        for _ in range(count):
            writer.write(rng.integers(0, 255, (*size, 3), np.uint8))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip of twelve frames."""
    return noise_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", 12, (96, 128), seed=0)


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def test_a_clip_becomes_an_annotated_clip_and_a_log(clip, tmp_path, capsys):
    output, log = tmp_path / "live.mp4", tmp_path / "live.jsonl"
    assert main(["live", str(clip), "--output", str(output), "--log", str(log), "--no-window"]) == 0
    assert frames_of(output) == 12
    lines = records(log)
    assert [line["index"] for line in lines] == list(range(12))
    assert lines[6]["time"] == pytest.approx(0.24, abs=0.01)
    assert [face["id"] for face in lines[6]["faces"]] == [1]
    printed = capsys.readouterr()
    assert "frames     12 in" in printed.out
    assert "faces      1\n" in printed.out
    assert f"wrote {output}\nfemo: wrote {log}\n" in printed.err


def test_the_log_on_standard_output_is_alone_there(clip, capfd):
    assert main(["live", str(clip), "--log", "-", "--no-window", "--max-frames", "3"]) == 0
    printed = capfd.readouterr()
    assert [json.loads(line)["index"] for line in printed.out.splitlines()] == [0, 1, 2]
    assert "frames     3 in" in printed.err


def test_a_reader_of_the_log_that_has_enough_is_no_error(clip, tmp_path, capsys, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    output = tmp_path / "live.mp4"
    with open(writer, "w") as closed:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(["live", str(clip), "--log", "-", "--output", str(output), "--no-window"]) == 141
    assert "could not be written" not in capsys.readouterr().err


def test_a_clip_is_not_written_to_standard_output(clip, capsys):
    assert main(["live", str(clip), "--output", "-", "--no-window"]) == 2
    assert "--output writes a clip, which cannot go to standard output" in capsys.readouterr().err


@pytest.mark.parametrize("link", ["hardlink_to", "symlink_to"])
def test_a_link_to_the_source_is_not_written_over(clip, tmp_path, capsys, link):
    before = clip.read_bytes()
    getattr(tmp_path / "linked.jsonl", link)(clip)
    assert main(["live", str(clip), "--log", str(tmp_path / "linked.jsonl"), "--no-window"]) == 2
    assert "is also an input" in capsys.readouterr().err
    assert clip.read_bytes() == before


def test_it_ends_after_so_many_frames(clip, tmp_path):
    log = tmp_path / "live.jsonl"
    assert main(["live", str(clip), "--log", str(log), "--no-window", "--max-frames", "5"]) == 0
    assert len(records(log)) == 5


def test_without_a_display_it_writes(clip, tmp_path, capsys):
    log = tmp_path / "live.jsonl"
    assert main(["live", str(clip), "--log", str(log)]) == 0
    assert f"femo: no display; writing {log} only\n" in capsys.readouterr().err
    assert len(records(log)) == 12


def test_without_a_display_and_nothing_to_write_the_message_names_the_options(clip, capsys):
    assert main(["live", str(clip)]) == 2
    assert capsys.readouterr().err == (
        "femo: no display. Give --output FILE or --log FILE to have the results written.\n"
    )


@pytest.mark.parametrize(
    ("option", "asked"), [([], None), (["--model", "small"], "small"), (["--model", "./m"], "./m")]
)
def test_the_model_is_passed_on_as_it_was_named(clip, recognizer, monkeypatch, option, asked):
    models = []
    monkeypatch.setattr(command.EmotionRecognizer, "load", lambda model, *_, **__: models.append(model) or recognizer)
    assert main(["live", str(clip), "--no-window", *option]) == 0
    assert models == [asked]


def test_whole_frames_are_faces(clip, tmp_path):
    log = tmp_path / "live.jsonl"
    assert main(["live", str(clip), "--log", str(log), "--faces", "cropped"]) == 0
    assert {tuple(face["box"]) for line in records(log) for face in line["faces"]} == {(0, 0, 128, 96)}


def test_images_stand_alone(tmp_path):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((90, 120, 3), 99, np.uint8))
    log = tmp_path / "live.jsonl"
    assert main(["live", str(tmp_path), "--log", str(log)]) == 0
    assert [[set(face) & {"id", "age"} for face in line["faces"]] for line in records(log)] == [[set()], [set()]]
    assert main(["live", str(tmp_path), "--log", str(log), "--rate", "10", "--track.min-hits", "1"]) == 0
    assert [[face["id"] for face in line["faces"]] for line in records(log)] == [[1], [1]]


@pytest.mark.parametrize(("limit", "uncertain"), [("0", False), ("1", True)])
def test_faces_of_images_are_uncertain_below_the_same_limit(tmp_path, limit, uncertain):
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8))
    log = tmp_path / "live.jsonl"
    assert main(["live", str(tmp_path / "a.png"), "--log", str(log), "--track.uncertain-below", limit]) == 0
    assert [face["uncertain"] for face in records(log)[0]["faces"]] == [uncertain]


def test_without_a_window_a_line_shows_the_progress(clip, monkeypatch):
    shown = []

    class Line(nullcontext):
        def update(self, text):
            shown.append(text)

    monkeypatch.setattr(command.Console, "status", lambda *_: Line())
    assert main(["live", str(clip), "--no-window"]) == 0
    assert len(shown) == 12
    assert re.fullmatch(rf"{clip}: 12 frames, [0-9]+/s", shown[-1])


def test_a_mirrored_clip_has_mirrored_frames(clip, tmp_path):
    frames = []
    for name, options in (("straight.avi", []), ("mirrored.avi", ["--mirror"])):
        output = tmp_path / name
        assert (
            main(["live", str(clip), "--output", str(output), "--draw.no-status", "--max-frames", "1", *options]) == 0
        )
        frames.append(cv2.VideoCapture(str(output)).read()[1].astype(int))
    straight, mirrored = frames
    assert np.abs(straight - mirrored[:, ::-1]).mean() < 20 < np.abs(straight - mirrored).mean()


def test_what_a_broken_source_gave_is_kept(clip, tmp_path, monkeypatch, capsys):
    class Broken:
        live, frames_per_second, dropped = True, None, 0
        closed = False

        def __iter__(self):
            for index in range(3):
                yield Frame(index, 100 + index / 25, np.full((48, 64, 3), index, np.uint8), "camera 0")
            raise SourceError("camera 0: gone")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.closed = True

    source = Broken()
    monkeypatch.setattr(command, "open_source", lambda *_, **__: source)
    output, log = tmp_path / "live.avi", tmp_path / "live.jsonl"
    assert main(["live", "--output", str(output), "--log", str(log)]) == 2
    said = capsys.readouterr()
    assert "femo: camera 0: gone\n" in said.err
    assert "frames     3 in" in said.out
    assert (frames_of(output), len(records(log))) == (3, 3)
    assert source.closed


def test_a_window_shows_the_frames_until_it_is_closed(clip, monkeypatch, capsys):
    windows = []

    class FakeWindow:
        def __init__(self, title, report, stopped):
            self.title, self.ended, self.shown = title, False, 0
            windows.append(self)

        def show(self, image):
            self.shown += 1
            self.ended = self.shown == 4

        def wait(self, seconds):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.closed = True

    monkeypatch.setattr(command, "why_no_window", lambda: None)
    monkeypatch.setattr(command, "PreviewWindow", FakeWindow)
    assert main(["live", str(clip)]) == 0
    (window,) = windows
    assert (window.title, window.shown, window.closed) == (f"femo - {clip}", 4, True)
    said = capsys.readouterr()
    assert KEYS in said.err
    assert "frames     4 in" in said.out
    assert main(["live", str(clip), "--no-window"]) == 0
    assert len(windows) == 1


@pytest.mark.usefixtures("not_under_nohup")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_after_the_frame_at_hand(clip, tmp_path, monkeypatch, recognizer, kind):
    class Interrupted(OneFace):
        scans = 0

        def detect(self, image, *, still=True):
            self.scans += 1
            if self.scans == 4:
                signal.raise_signal(kind)
            return super().detect(image)

    monkeypatch.setattr(recognizer, "detector", Interrupted())
    output, log = tmp_path / "live.mp4", tmp_path / "live.jsonl"
    arguments = ["--output", str(output), "--log", str(log), "--search.full-scan-ms", "0"]
    assert main(["live", str(clip), *arguments]) == 128 + kind
    assert (frames_of(output), len(records(log))) == (4, 4)


@pytest.mark.usefixtures("not_under_nohup")
def test_the_second_sighup_of_a_closed_terminal_does_not_break_off_the_end_of_the_clip(
    clip, tmp_path, monkeypatch, recognizer
):
    class HungUp(OneFace):
        def detect(self, image, *, still=True):
            signal.raise_signal(signal.SIGHUP)
            return super().detect(image)

    def close(writer, really=VideoWriter.close):
        signal.raise_signal(signal.SIGHUP)
        really(writer)

    monkeypatch.setattr(recognizer, "detector", HungUp())
    monkeypatch.setattr(VideoWriter, "close", close)
    assert main(["live", str(clip), "--output", str(tmp_path / "live.mp4")]) == 128 + signal.SIGHUP
    assert frames_of(tmp_path / "live.mp4") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["live.mp4"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{clip}", "--output", "{clip}"], "is also an input"),
        (["{clip}", "--log", "{folder}/../{name}/x", "--output", "{folder}/x"], "is named by --output and --log"),
        (["{clip}", "--max-frames", "0"], "--max-frames"),
        (["{clip}", "--output", "{folder}/live.txt"], "live.txt"),
        (["{folder}/nowhere.mp4", "--no-window"], "nowhere.mp4"),
        (["{clip}", "--detector.min-size", "-1", "--no-window"], "min_size"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(clip, tmp_path, capsys, arguments, said):
    before = clip.read_bytes()
    names = {"clip": clip, "folder": tmp_path, "name": tmp_path.name}
    assert main(["live", *(word.format(**names) for word in arguments)]) == 2
    assert said in capsys.readouterr().err
    assert clip.read_bytes() == before
    assert not list(tmp_path.iterdir())


def test_a_password_is_not_shown():
    assert Options(sources=("rtsp://me:secret@host/door",)).title == "rtsp://***@host/door"
    assert Options(sources=("clip.mp4",)).title == "clip.mp4"


@pytest.mark.parametrize(
    ("live", "announced", "rate"),
    [
        (False, 23.976, 23.976),
        (False, 240.0, 240.0),
        (False, 1000.0, 240.0),
        (False, None, 1.0),
        (True, 30.0, 30.0),
        (True, None, 25.0),
        (True, 900.0, 25.0),
    ],
)
def test_the_rate_of_the_clip_that_is_written(live, announced, rate):
    class Source:
        pass

    source = Source()
    source.live, source.frames_per_second = live, announced
    assert command._clip_rate(source) == rate


# Several sources


@pytest.fixture(scope="module")
def larger_clip(tmp_path_factory):
    """A clip of eight frames, larger than the other."""
    return noise_clip(tmp_path_factory.mktemp("clips") / "rear.mp4", 8, (120, 160), seed=1)


def test_two_clips_become_one_clip_and_one_log(clip, larger_clip, tmp_path, capsys):
    output, log = tmp_path / "live.mp4", tmp_path / "live.jsonl"
    arguments = ["--output", str(output), "--log", str(log), "--no-window"]
    assert main(["live", str(clip), str(larger_clip), *arguments]) == 0
    assert frames_of(output) == 12
    assert cv2.VideoCapture(str(output)).read()[1].shape == (120, 320, 3)
    lines = records(log)
    for source, count, number, size in ((clip, 12, 1, (128, 96)), (larger_clip, 8, 2, (160, 120))):
        own = [line for line in lines if line["source"] == str(source)]
        assert [line["index"] for line in own] == list(range(count))
        assert {(line["width"], line["height"]) for line in own} == {size}
        assert [face["id"] for face in own[6]["faces"]] == [number]
    said = capsys.readouterr()
    assert "frames     20 in" in said.out
    assert f"  {clip}: 12\n  {larger_clip}: 8\nfaces      2\n" in said.out


def test_the_log_of_two_clips_is_reported_by_source(clip, larger_clip, tmp_path, capsys):
    log, page = tmp_path / "live.jsonl", tmp_path / "report.html"
    assert main(["live", str(clip), str(larger_clip), "--log", str(log), "--no-window"]) == 0
    assert main(["report", str(log), "-o", str(page)]) == 2
    assert f"has the frames of 2 sources: {clip}, {larger_clip}" in capsys.readouterr().err
    assert not page.exists()
    table = tmp_path / "faces.csv"
    assert main(["report", str(log), "-o", str(page), "--csv", str(table), "--log-source", str(larger_clip)]) == 0
    assert f"live.jsonl: {larger_clip}" in page.read_text()
    assert {row.split(",")[4] for row in table.read_text().splitlines()[1:]} == {"2"}


def test_one_clip_has_no_source_in_its_log(clip, tmp_path):
    log = tmp_path / "live.jsonl"
    assert main(["live", str(clip), "--log", str(log), "--no-window"]) == 0
    assert all("source" not in line for line in records(log))


def test_one_window_shows_all_sources(clip, larger_clip, monkeypatch):
    windows = []

    class FakeWindow:
        ended = False

        def __init__(self, title, report, stopped):
            self.title, self.shapes = title, set()
            windows.append(self)

        def show(self, image):
            self.shapes.add(image.shape)

        def wait(self, seconds):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(command, "why_no_window", lambda: None)
    monkeypatch.setattr(command, "PreviewWindow", FakeWindow)
    assert main(["live", str(clip), str(larger_clip)]) == 0
    (window,) = windows
    assert (window.title, window.shapes) == (f"femo - {clip}, {larger_clip}", {(120, 320, 3)})


def test_a_source_that_breaks_down_beside_another_makes_the_exit_code_2(clip, tmp_path, capsys, caplog):
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("a.png", "b.png"):
        (broken / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    log = tmp_path / "live.jsonl"
    assert main(["live", str(clip), str(broken), "--rate", "25", "--log", str(log), "--no-window"]) == 2
    assert "b.png: not an image" in caplog.text
    assert "The other sources are played on." in caplog.text
    assert f"  {clip}: 12\n  {broken}: 0, given up\n" in capsys.readouterr().out
    assert len(records(log)) == 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{clip}", "{clip}"], "is named twice"),
        (["{clip}", "{folder}/nowhere.mp4"], "nowhere.mp4"),
        (["{clip}", "{larger}", "--log", "{larger}"], "is also an input"),
        (["{clip}", "{image}"], "images stand alone"),
    ],
)
def test_sources_that_do_not_go_together_are_refused(clip, larger_clip, tmp_path, capsys, arguments, said):
    before = larger_clip.read_bytes()
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((90, 120, 3), np.uint8))
    names = {"clip": clip, "larger": larger_clip, "folder": tmp_path, "image": tmp_path / "a.png"}
    assert main(["live", *(word.format(**names) for word in arguments), "--no-window"]) == 2
    assert said in capsys.readouterr().err
    assert larger_clip.read_bytes() == before
