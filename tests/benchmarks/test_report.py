"""The benchmark's ratios, table and figure."""

import copy
import io

import cv2
import pytest
from report import draw_figure, print_report, ratios
from rich.console import Console


def speed(rate, faces, true):
    return {
        "median_ms": 900 / rate,
        "p95_ms": 1500 / rate,
        "frames_per_second": rate,
        "frames_per_second_rounds": [0.9 * rate, rate, 1.2 * rate],
        "faces": faces,
        "true_faces": true,
        "false_faces": faces - true,
        "faces_there": 1000,
    }


REPORT = {
    "femo": {
        "stream": speed(90.0, 800, 780),
        "images": speed(40.0, 700, 650),
        "cold_start_s": {"empty_cache": 4.0, "filled_cache": 2.0},
        "peak_memory_mib": 300.0,
        "installed_mib": 900.0,
    },
    "fer": {
        "images": speed(15.0, 820, 600),
        "classify_ms": {"1": 1.0, "4": 4.0, "16": 16.0},
        "cold_start_s": 6.2,
        "peak_memory_mib": 750.0,
        "installed_mib": 8100.0,
    },
    "classify_ms": {"1": 2.0, "4": 3.0, "16": 9.0},
    "left_out": {},
    "machine": {"others": 0.02},
}


@pytest.fixture
def report():
    report = copy.deepcopy(REPORT)
    report["ratio"] = ratios(report)
    return report


def printed(report):
    console = Console(file=io.StringIO(), width=200)
    print_report(report, console)
    return console.file.getvalue()


def test_ratios_say_how_many_times_as_good_femo_is(report):
    assert report["ratio"] == pytest.approx(
        {
            "frames_per_second": 6.0,
            "frames_per_second_images": 40 / 15,
            "faces": 1.3,
            "faces_images": 650 / 600,
            "cold_start": 3.1,
            "cold_start_empty_cache": 1.55,
            "peak_memory": 2.5,
            "installed": 9.0,
        }
    )


def test_without_known_truth_all_found_faces_are_compared(report):
    report["fer"]["images"]["faces_there"] = 0
    assert ratios(report)["faces"] == pytest.approx(800 / 820)


def test_the_table_holds_the_figures_and_goals(report):
    text = printed(report)
    for figure in (
        "90.0",
        "81.0 - 108.0",
        "780 of 1000",
        "2.00 (4.00 with an empty cache)",
        "6.20",
        "8100",
        "16: 9.00",
    ):
        assert figure in text
    assert "frames per second: 6.00 times as good as fer's (goal 3, met)" in text
    assert "single images: 2.67 times the frames per second, 1.08 times the faces" in text
    assert "leave the machine alone" not in text


def test_a_missed_goal_is_reported(report):
    report["ratio"]["cold_start"] = 2.9
    assert "cold start: 2.90 times as good as fer's (goal 3, missed)" in printed(report)


def test_a_busy_machine_gives_no_verdict(report):
    report["machine"]["others"] = 0.5
    text = printed(report)
    assert "other programs took 50%" in text and "leave the machine alone" in text
    assert "90.0" in text and "times as good" not in text


def test_a_size_that_was_not_measured_is_no_number(report, tmp_path):
    report["fer"]["installed_mib"] = None
    report["ratio"] = ratios(report)
    assert report["ratio"]["installed"] is None
    assert "installed, MiB" in printed(report)
    draw_figure(report, tmp_path / "live.png")


def test_the_figure_has_bars_for_each_system(report, tmp_path):
    draw_figure(report, tmp_path / "live.png")
    image = cv2.imread(str(tmp_path / "live.png"))
    for blue, green, red in ((0xB2, 0x72, 0), (0xE9, 0xB4, 0x56), (0x99, 0x99, 0x99)):
        assert (image == (blue, green, red)).all(axis=-1).sum() > 1000
