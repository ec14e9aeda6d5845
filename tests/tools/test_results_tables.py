"""Tables on pages hold what the committed runs hold, computed here from the raw lines."""

import dataclasses
import json
import re
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pages
import pytest
import results_tables
from results_figures import read_times
from studies import RESULTS, read_study

from femo_jax import weights

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"


def table(name: str, page: str | None = None) -> list[dict[str, str]]:
    """The rows of a marked table of the page, by heading."""
    text = re.search(rf"<!-- table: {name} -->\n\n(.*?)\n<!-- end -->", page or PAGE.read_text("utf-8"), re.DOTALL)
    assert text, name
    heading, _, *rows = ([cell.strip() for cell in line.strip("| ").split(" | ")] for line in text[1].splitlines())
    return [dict(zip(heading, row, strict=True)) for row in rows]


def numbers(cell: str) -> list[float]:
    """`68.68 ± 0.52 %` -> [68.68, 0.52]."""
    return [float(number.replace(",", "")) for number in re.findall(r"-?[\d,]+(?:\.\d+)?", cell)]


@pytest.mark.parametrize("study", ["networks", "ablations", "grids"])
def test_rows_are_those_of_the_committed_runs(study):
    by_label = defaultdict(list)
    for line in map(json.loads, (RESULTS / f"{study}.jsonl").read_text("utf-8").splitlines()):
        label = ", ".join(f"`{part}`" for part in [line["name"], *(f"{k}={v}" for k, v in line["overrides"].items())])
        by_label[label].append(line)
    rows = {row["configuration"].removesuffix(" †"): row for row in table(study)}
    assert rows.keys() == by_label.keys()
    for label, lines in by_label.items():
        row = rows[label]
        assert row["seeds"] == str(len(lines))
        assert row["epochs"] == str(lines[0]["config"]["epochs"])
        for heading, digits, values in (
            ("accuracy", 2, [100 * line["report"]["accuracy"] for line in lines]),
            ("last epoch", 2, [100 * line["report"]["last_accuracy"] for line in lines]),
            ("flip TTA", 2, [100 * line["flip"]["accuracy"] for line in lines]),
            ("macro-F1", 3, [line["report"]["macro_f1"] for line in lines]),
            ("ECE", 2, [100 * line["report"]["ece"] for line in lines]),
        ):
            expected = [statistics.fmean(values), *([statistics.stdev(values)] if len(values) > 1 else [])]
            assert numbers(row[heading]) == pytest.approx(expected, abs=0.51 * 10**-digits), (label, heading)


def test_no_marked_table_is_older_than_the_results_and_each_has_a_maker():
    for page in pages.PAGES:
        text = page.read_text("utf-8")
        assert set(re.findall(r"<!-- table: (\S+) -->", text)) <= pages.TABLES.keys(), page
    assert {"networks", "ablations", "grids", "time", "tta", "private", "robustness", "clips"} <= set(
        re.findall(r"<!-- table: (\S+) -->", PAGE.read_text("utf-8"))
    )


@pytest.mark.parametrize(("name", "split"), [("tta", "validation"), ("private", "test")])
def test_shipped_models_have_the_accuracies_of_their_records(name, split):
    rows = {(row["model"], row["--tta"]): row for row in table(name)}
    recorded = {
        (model, of["tta"]): of
        for model in weights.shipped_names()
        for of in weights.model_record(model)["evaluations"]
        if of["split"] == split
    }
    assert rows.keys() == recorded.keys()
    for key, of in recorded.items():
        assert numbers(rows[key]["accuracy"])[0] == pytest.approx(100 * of["accuracy"], abs=0.0051)


def test_robustness_of_the_page_is_that_of_the_file():
    data = json.loads((RESULTS / "robustness.json").read_text("utf-8"))
    rows = table("robustness")
    for model, report in data.items():
        shown = [numbers(row[model])[0] for row in rows]
        of = report["robustness"]
        expected = [of["clean"]["accuracy"], *(k["accuracy"] for k in of["corrupted"].values()), of["mean_accuracy"]]
        assert shown == pytest.approx([100 * value for value in expected], abs=0.0051)


def test_text_between_tables_is_left_alone_and_a_stale_table_is_replaced():
    page = "a\n<!-- table: clips -->\n\nold\n\n<!-- end -->\nb\n"
    now = pages.filled(page)
    assert now.startswith("a\n<!-- table: clips -->\n\n| model |") and now.endswith("|\n\n<!-- end -->\nb\n")
    assert "old" not in now and pages.filled(now) == now


def test_minutes_to_an_accuracy_are_those_of_the_first_epoch_that_reached_it():
    runs = [
        [
            {"epoch": epoch, "split": split, "seconds": seconds, "accuracy": accuracy}
            for epoch, accuracy in enumerate(accuracies, start=1)
            for split, seconds in (("train", 50 + 60 * seed), ("validation", 10))
        ]
        for seed, accuracies in enumerate([(0.2, 0.6, 0.5), (0.4, 0.8, 0.7)])
    ]
    times = read_times(runs)
    np.testing.assert_allclose(times.minutes, [1.5, 3.0, 4.5])
    np.testing.assert_allclose(times.accuracy, [0.3, 0.7, 0.6])
    assert times.minutes_to(0.6) == 3.0
    assert times.minutes_to(0.9) is None


@pytest.mark.parametrize(("name", "value"), [("cores", 1), ("dtype", "another"), ("platform", "gpu")])
def test_minutes_count_of_runs_with_two_cores_and_the_dtype_asked_for(name, value):
    run = next(run for run in read_study(RESULTS / "networks.jsonl") if run.name == "smoke")
    other = dataclasses.replace(
        run, seed=1, record={**run.record, "environment": {**run.record["environment"], name: value}}
    )
    other = dataclasses.replace(other, record={**other.record, "config": {**run.record["config"], "seed": 1}})
    [row] = results_tables.rows_of([run, other])
    assert row.seeds == [0, 1] and len(row.accuracy) == 2 and len(row.minutes) == 1
    assert list(results_tables.times_of([run, other])["smoke"].minutes) == list(read_times([run.metrics]).minutes)
    assert results_tables.times_of([other]) == {}
