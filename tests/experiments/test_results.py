"""The page of results says what the committed runs say."""

import json
import shutil

import numpy as np
import pytest
import results_figures
import table


def test_the_committed_page_is_that_of_the_committed_runs():
    assert table.page(*table.read_all()) == (table.HERE / "results.md").read_text("utf-8")


def test_minutes_to_an_accuracy_are_those_of_the_first_epoch_that_reached_it(tmp_path):
    for seed, accuracies in enumerate([(0.2, 0.6, 0.5), (0.4, 0.8, 0.7)]):
        lines = [
            f'{{"epoch": {epoch}, "split": "{split}", "seconds": {seconds}, "accuracy": {accuracy}}}\n'
            for epoch, accuracy in enumerate(accuracies, start=1)
            for split, seconds in (("train", 50 + 60 * seed), ("validation", 10))
        ]
        (tmp_path / str(seed)).mkdir()
        (tmp_path / str(seed) / "metrics.jsonl").write_text("".join(lines))
    times = results_figures.read_times([tmp_path / "0", tmp_path / "1"])
    np.testing.assert_allclose(times.minutes, [1.5, 3.0, 4.5])
    np.testing.assert_allclose(times.accuracy, [0.3, 0.7, 0.6])
    assert times.minutes_to(0.6) == 3.0
    assert times.minutes_to(0.9) is None
    assert table.time_table({"net": times}).splitlines()[-1] == "| net | 3.0 | 3.0 | 3.0 | 3.0 |"


@pytest.mark.parametrize(("name", "value"), [("cores", 1), ("dtype", "another"), ("platform", "gpu")])
def test_minutes_are_those_of_runs_that_had_two_cores_and_their_dtype(name, value, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    seeds = [shutil.copytree(table.HERE / "results" / "smoke" / "seed0", tmp_path / "net" / f"seed{k}") for k in (0, 1)]
    record = json.loads((seeds[1] / "config.json").read_text())
    record["environment"][name] = value
    (seeds[1] / "config.json").write_text(json.dumps(record))
    [row], times = table.read_all()
    assert row.seeds == [0, 1] and len(row.accuracy) == 2
    assert len(row.minutes) == 1
    np.testing.assert_array_equal(times["net"].minutes, results_figures.read_times(seeds[:1]).minutes)

    shutil.rmtree(seeds[0])
    [row], times = table.read_all()
    assert row.minutes == [] and times == {}
