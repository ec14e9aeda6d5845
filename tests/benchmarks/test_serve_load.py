"""Many clients at once: recognition keeps its rate, and memory stays flat. `FEMO_LOAD_SECONDS` shortens it."""

import os

import pytest
from serve_load import Options, measure

SECONDS = float(os.environ.get("FEMO_LOAD_SECONDS", "600"))


@pytest.mark.perf
@pytest.mark.timeout(2 * SECONDS + 600)
def test_rate_and_memory_under_load():
    report = measure(Options(seconds=SECONDS))
    assert report["ratio"] > 0.95
    assert report["memory_mib"]["end"] < 1.02 * report["memory_mib"]["start"]
