"""What the README promises whoever wants to recognise emotions: images and clips from the command line."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from femo_jax.cli.main import main

DEMO_CLIP = Path(__file__).parents[2] / "tools" / "demo_clip.py"


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory):
    """The folder of the demo's image and clip, in which a woman smiles."""
    pytest.importorskip("skimage")
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run([sys.executable, DEMO_CLIP, folder / "astronaut.png", folder / "astronaut.mp4"], check=True)
    return folder


@pytest.fixture(autouse=True)
def no_display(monkeypatch, femo):
    """Tests open no windows on the screen of whoever runs them."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delitem(femo.environment, name, raising=False)


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (frame := capture.read())[0]:
        frames.append(frame[1])
    return frames


def covers(box, x, y):
    return box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3]


def test_an_image_as_json_csv_and_annotated_copy(femo, astronaut, tmp_path):
    outputs = ["--json", tmp_path / "faces.json", "--csv", tmp_path / "faces.csv", "--output", tmp_path / "copies"]
    femo.run("predict", astronaut / "astronaut.png", *outputs)
    (record,) = json.loads((tmp_path / "faces.json").read_text())
    assert record["path"] == str(astronaut / "astronaut.png")
    assert (record["width"], record["height"]) == (512, 512)
    (face,) = record["faces"]
    assert face["label"] == "happy"
    assert covers(face["box"], 222, 115)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    header, row = (tmp_path / "faces.csv").read_text().splitlines()
    assert header.startswith("path,width,height,face,x,y,w,h,label,confidence,angry,")
    assert row.startswith(f"{record['path']},512,512,1,{','.join(map(str, face['box']))},happy,")
    copy = cv2.imread(str(tmp_path / "copies" / "astronaut.png"))
    assert copy.shape == (512, 512, 3)
    assert (copy != cv2.imread(record["path"])).any()


def test_an_unreadable_image_among_good_ones(femo, astronaut, tmp_path):
    (tmp_path / "broken.png").write_bytes((astronaut / "astronaut.png").read_bytes()[:1000])
    images = [tmp_path / "broken.png", astronaut / "astronaut.png"]
    output, errors = femo.run("predict", *images, expect=1)
    assert "happy" in output
    assert "%" in output
    assert "broken.png" in errors
    assert "Traceback" not in errors


def test_crops_are_recognised_as_a_whole(astronaut, tmp_path, capsys):
    crop = cv2.imread(str(astronaut / "astronaut.png"))[60:170, 172:282]
    cv2.imwrite(str(tmp_path / "crop.png"), cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA))
    assert main(["predict", str(tmp_path), "--faces", "cropped", "--json", "-"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert [(face["box"], face["label"]) for face in record["faces"]] == [([0, 0, 48, 48], "happy")]


def test_a_clip_becomes_an_annotated_clip_and_a_log(femo, astronaut, tmp_path):
    output, log = tmp_path / "live.mp4", tmp_path / "live.jsonl"
    printed, _ = femo.run("live", astronaut / "astronaut.mp4", "--output", output, "--log", log, "--no-window")
    lines = records(log)
    assert [line["index"] for line in lines] == list(range(200))
    assert len(frames_of(output)) == 200
    labels = {face["label"] for line in lines for face in line["faces"]}
    assert labels == {"happy"}
    # The face is in the image, leaves it, and comes back as somebody new.
    ids = [[face["id"] for face in line["faces"]] for line in lines]
    assert ids[25] == ids[70] == [1]
    assert ids[120] == []
    assert ids[165] == ids[199] == [2]
    assert "frames     200 in" in printed


def test_a_signal_leaves_a_clip_that_plays_and_a_whole_log(femo, astronaut, tmp_path):
    output, log = tmp_path / "live.mp4", tmp_path / "live.jsonl"
    process = femo.start("live", astronaut / "astronaut.mp4", "--output", output, "--log", log, "--no-window")
    end = time.monotonic() + 300
    while not log.exists() or log.read_text().count("\n") < 5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "Traceback" not in errors
    lines = records(log)
    assert 5 <= len(lines) < 200
    assert len(frames_of(output)) == len(lines)
    assert f"frames     {len(lines)} in" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["live", "{clip}"], "no display. Give --output FILE or --log FILE"),
        (["live", "nowhere.mp4", "--no-window"], "nowhere.mp4"),
        (["live", "4242", "--no-window"], "camera 4242"),
        (["live", "{clip}", "--no-window", "--model", "nowhere.safetensors"], "nowhere.safetensors"),
        (["live", "{clip}", "--no-window", "--detector.kind", "yunet", "--detector.model", "no.onnx"], "no.onnx"),
        (["predict", "{image}", "--detector.model", "nowhere.xml"], "nowhere.xml"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_clear_line(astronaut, arguments, said, capsys):
    names = {"clip": astronaut / "astronaut.mp4", "image": astronaut / "astronaut.png"}
    assert main([word.format(**names) for word in arguments]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1, errors
