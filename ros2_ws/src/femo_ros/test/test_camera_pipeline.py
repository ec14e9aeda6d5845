import time
from types import SimpleNamespace

import pytest

pytest.importorskip("femo_msgs", reason="needs ROS 2 and the workspace")

from femo_ros.camera_pipeline import CameraPipeline
from femo_ros.statistics import Statistics

WALL = 1_700_000_000.0


@pytest.fixture
def pipeline():
    """One without topics, on a clock that stands, with its warnings."""
    made = object.__new__(CameraPipeline)
    warnings = []
    clock = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=int(WALL * 1e9)))
    logger = SimpleNamespace(warning=warnings.append)
    made._node = SimpleNamespace(get_clock=lambda: clock, get_logger=lambda: logger)
    made._statistics = Statistics(0.0)
    made._of = " of front"
    return made, warnings


def test_the_latency_that_is_drawn_counts_from_the_stamp(pipeline):
    made, warnings = pipeline
    assert made._count(1, WALL - 0.02, time.monotonic()) == pytest.approx(0.02)
    assert warnings == []


def test_without_a_stamp_it_counts_from_the_arrival(pipeline):
    made, _ = pipeline
    assert 0.5 <= made._count(1, 0.0, time.monotonic() - 0.5) < 5


@pytest.mark.parametrize("offset", [34_560_000.018, -4.981])
def test_stamps_of_another_clock_have_none_and_are_told_once(pipeline, offset):
    """Diagnostics and images showed them as latencies of a year, and as negative ones."""
    made, warnings = pipeline
    for _ in range(3):
        assert made._count(1, WALL - offset, time.monotonic()) is None
    (warning,) = warnings
    assert warning.startswith("The stamps of the images of front are ")
    assert f"{abs(offset):.3f} s {'behind' if offset > 0 else 'ahead of'} this node's clock" in warning
    report = made._statistics.report(1.0)
    assert report.from_stamp is None
    assert report.clock_offset == pytest.approx(offset, abs=1e-3)
