"""The node for a long time in a restless graph. `FEMO_SOAK_MINUTES` shortens it from half an hour."""

import os
import sys
from pathlib import Path

import pytest

MINUTES = float(os.environ.get("FEMO_SOAK_MINUTES", "30"))


@pytest.mark.perf
@pytest.mark.timeout(60 * MINUTES + 300)
def test_memory_threads_and_ids_in_a_restless_graph(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    monkeypatch.delitem(sys.modules, "ros", raising=False)
    from ros_soak import Options, main

    report = main(Options(minutes=MINUTES))
    assert report["lost"] <= report["sent"] / 1000  # by the middleware, while other programs take the processors
    assert report["presences_without_answers"] == 0
    assert report["ids_in_more_than_one_presence"] == 0
    assert report["parameter_changes_refused"] == []
    assert report["memory_mib"]["end"] < 1.02 * report["memory_mib"]["start"]
    assert report["threads"]["end"] == report["threads"]["start"]
