"""The whole benchmark, with fake systems in the places of femo and fer."""

import json
import sys
from pathlib import Path

import cv2
import harness
import live
import numpy as np
import pytest
from live import Options
from report import NOT_INSTALLED

from femo_jax.errors import FemoError

BENCHMARKS = Path(live.__file__).parent

WORKER = """
import os, time
from pathlib import Path
from worker import serve

class Fake:
    def versions(self):
        return {{}}

    def start(self, mode):
        def recognise(frame, seconds):
            time.sleep({seconds} * (4 if mode == "images" else 1))
            return {boxes}
        return recognise

    def classifier(self, faces):
        return lambda: None

time.sleep({load})
cache = Path(os.environ["FEMO_CACHE"])
with open(os.environ["STARTS"], "a") as starts:
    print({name!r}, cache.name, cache.exists(), file=starts)
cache.mkdir(exist_ok=True)
assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
serve(Fake)
"""


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Workers in the places of the real ones.

    femo takes 2 ms a frame of a stream and 8 of an image, fer 60, and half a second to start. Each start is noted with
    femo's cache folder and whether it was there already.
    """
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("worker.py", "installed.py"):
        (folder / name).write_text((BENCHMARKS / name).read_text())
    face, nothing = (100, 100, 100, 100), (400, 300, 50, 50)
    (folder / "femo_worker.py").write_text(WORKER.format(name="femo", seconds=0.002, boxes=[face, nothing], load=0))
    (folder / "fer_worker.py").write_text(WORKER.format(name="fer", seconds=0.015, boxes=[nothing], load=0.5))
    monkeypatch.setenv("FEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STARTS", str(tmp_path / "starts"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "jax"))
    monkeypatch.setattr(live, "HERE", folder)
    monkeypatch.setattr(harness.ProcessorTime, "share_beside", lambda self, own: 0.02)
    monkeypatch.setattr(live, "installed_mib", lambda python, name, package: {"femo-jax": 900.0, "fer": 8000.0}[name])


@pytest.fixture
def scenes(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((480, 640, 3), np.uint8))
    boxes = "<box left='100' top='100' width='100' height='100'/>"
    (folder / "truth.xml").write_text(f"<dataset><images><image file='a.png'>{boxes}</image></images></dataset>")
    return folder


def run(tmp_path, scenes, fer):
    options = Options(
        scenes=scenes,
        json=tmp_path / "live.json",
        figure=tmp_path / "live.png",
        fer_python=fer,
        rounds=2,
        image_frames=10,
        cold_starts=1,
    )
    live.main(options)
    return json.loads(options.json.read_text())


def test_both_systems(fakes, scenes, tmp_path, capsys):
    report = run(tmp_path, scenes, Path(sys.executable))
    assert set(report) == {"femo", "fer", "ratio", "classify_ms", "machine", "frames", "left_out"}
    stream, images, fer = report["femo"]["stream"], report["femo"]["images"], report["fer"]["images"]
    assert 2 <= stream["median_ms"] < images["median_ms"] < fer["median_ms"]
    assert (stream["faces"], stream["true_faces"], stream["false_faces"], stream["faces_there"]) == (20, 10, 10, 10)
    assert (fer["faces"], fer["true_faces"], fer["false_faces"]) == (10, 0, 10)
    assert set(report["femo"]["cold_start_s"]) == {"empty_cache", "filled_cache"}
    assert report["fer"]["cold_start_s"] > 0.5
    assert report["femo"]["peak_memory_mib"] > 5 and report["fer"]["installed_mib"] == 8000
    assert set(report["classify_ms"]) == set(report["fer"]["classify_ms"]) == {"1", "4", "16"}
    assert report["ratio"]["frames_per_second"] == pytest.approx(stream["frames_per_second"] / fer["frames_per_second"])
    assert report["ratio"]["faces"] == 10  # true ones against none, which counts as one
    assert report["ratio"]["installed"] == pytest.approx(8000 / 900)
    assert report["machine"]["cores"] >= 1 and 0 <= report["machine"]["others"] <= 1
    assert cv2.imread(str(tmp_path / "live.png")).shape[0] > 300
    printed = capsys.readouterr().out
    assert "10 of 10" in printed and "goal 3, met" in printed


def test_each_cold_start_has_the_cache_that_it_is_reported_with(fakes, scenes, tmp_path):
    run(tmp_path, scenes, Path(sys.executable))
    starts = [line.split() for line in (tmp_path / "starts").read_text().splitlines()]
    of_femo = [(cache, filled) for name, cache, filled in starts if name == "femo"]
    # The first start fills the cache and does not count, the last is that of the worker whose speed is measured.
    first, *cold, last = of_femo
    assert first == ("filled", "False") and last == ("filled", "True")
    assert sorted(cold) == [("empty-0", "False"), ("filled", "True")]


def test_femo_alone_says_how_fer_is_installed(fakes, scenes, tmp_path, capsys):
    report = run(tmp_path, scenes, tmp_path / "nowhere" / "python")
    assert report["fer"] is None and report["ratio"] is None
    assert report["femo"]["stream"]["faces"] == 20
    assert cv2.imread(str(tmp_path / "live.png")) is not None
    assert NOT_INSTALLED in " ".join(capsys.readouterr().out.split())


def test_what_fails_is_left_out_and_the_rest_is_kept(fakes, scenes, tmp_path, monkeypatch, capsys):
    def only_femo(python, name, package):
        if name == "fer":
            raise FemoError("no distribution fer")
        return 900.0

    monkeypatch.setattr(live, "installed_mib", only_femo)
    report = run(tmp_path, scenes, Path(sys.executable))
    assert report["fer"]["installed_mib"] is None and report["ratio"]["installed"] is None
    assert report["ratio"]["peak_memory"] > 0
    assert report["left_out"] == {"installed size of fer": "no distribution fer"}
    assert "installed size of fer is left out: no distribution fer" in " ".join(capsys.readouterr().out.split())

    (live.HERE / "fer_worker.py").write_text("raise SystemExit('fer has no such model')")
    report = run(tmp_path, scenes, Path(sys.executable))
    assert report["fer"] is None and report["femo"]["stream"]["faces"] == 20
    assert "fer has no such model" in report["left_out"]["fer"]


def test_a_busy_machine_gives_no_verdict(fakes, scenes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(harness.ProcessorTime, "share_beside", lambda self, own: 0.2)
    run(tmp_path, scenes, Path(sys.executable))
    printed = " ".join(capsys.readouterr().out.split())
    assert "too much for a conclusion" in printed and "goal" not in printed
