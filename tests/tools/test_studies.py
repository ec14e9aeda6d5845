"""Studies: runs come back whole, and every committed run belongs to a committed configuration."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import studies
from studies import RESULTS, Run, read_study, unpack, write_study

from femo_jax.train.config import as_dict, load_config, upgraded
from femo_jax.train.fields import override

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"ablations": ROOT / "experiments/configs/ablations"}
BASELINES = ROOT / "experiments/configs/baselines"


@pytest.fixture
def runs() -> list[Run]:
    """Two seeds of one configuration with an override."""
    return [
        Run(
            "net",
            {"epochs": "2"},
            seed,
            {"config": {"seed": seed, "epochs": 2}, "data": {"n": 3}, "environment": {"cores": 2}},
            {"accuracy": 0.5},
            {"accuracy": 0.25 + seed},
            [
                {"epoch": epoch, "step": 7 * epoch, "split": split, "loss": 1 / (epoch + seed), **more}
                for epoch in (1, 2)
                for split, more in (("train", {"gradient_norm": 0.1}), ("validation", {}))
            ],
        )
        for seed in (0, 1)
    ]


def test_runs_come_back_from_a_study_and_from_folders_as_they_were(runs, tmp_path):
    unpack(runs, tmp_path / "runs")
    studies.main(tmp_path / "study.jsonl", [tmp_path / "runs" / "net,epochs=2"])
    assert read_study(tmp_path / "study.jsonl") == runs
    assert [list(record) for record in read_study(tmp_path / "study.jsonl")[0].metrics] == [
        list(record) for record in runs[0].metrics
    ]


def test_adding_a_run_again_replaces_it_and_keeps_the_others(runs, tmp_path):
    write_study(tmp_path / "study.jsonl", runs)
    unpack([runs[1]], tmp_path / "runs")
    (tmp_path / "runs" / "net,epochs=2" / "seed1" / "report.json").write_text('{"accuracy": 0.75}')
    studies.main(tmp_path / "study.jsonl", [tmp_path / "runs" / "net,epochs=2"])
    assert [run.report["accuracy"] for run in read_study(tmp_path / "study.jsonl")] == [0.5, 0.75]


def test_a_configuration_that_was_edited_by_hand_is_refused(runs, tmp_path):
    write_study(tmp_path / "study.jsonl", runs)
    text = (tmp_path / "study.jsonl").read_text()
    (tmp_path / "study.jsonl").write_text(text.replace('"epochs":2}', '"epochs":3}'))
    with pytest.raises(ValueError, match="net, seed 0: the configuration is not that of its digest"):
        read_study(tmp_path / "study.jsonl")


def _config_file(study: str, name: str) -> Path | str:
    for folder in (FOLDERS.get(study, BASELINES), BASELINES):
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    return name


def _digest(soft_labels: str) -> str | None:
    path = Path(soft_labels)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


@pytest.mark.parametrize("study", ["networks", "ablations", "grids"])
def test_each_run_has_a_committed_configuration(study):
    """With today's defaults, but for the seed. Soft labels are compared by content, where the file is kept.

    In the label of a run a list of numbers has no brackets, and `_` for its commas.
    """
    runs = read_study(RESULTS / f"{study}.jsonl")
    assert runs
    for run in runs:
        values = {
            field: f"[{text.replace('_', ',')}]" if re.fullmatch(r"\d+(_\d+)+", text) else text
            for field, text in run.overrides.items()
        }
        asked = as_dict(override(load_config(_config_file(study, run.name)), values)) | {"seed": run.seed}
        found = upgraded(run.record["config"])
        assert found | {"soft_labels": asked["soft_labels"]} == asked, (run.label, run.seed)
        assert bool(found["soft_labels"]) == bool(asked["soft_labels"])
        if digest := _digest(asked["soft_labels"]):
            assert digest == run.record["data"]["soft_labels"]["sha256"], run.label


def test_every_run_was_evaluated_on_the_whole_of_one_validation_set():
    lines = [json.loads(line) for path in RESULTS.glob("*.jsonl") for line in path.read_text().splitlines()]
    lines = [line for line in lines if "data" in line]  # of trained runs; another study measures whole images
    assert {line["data"]["validation"]["n"] for line in lines} == {3589}
    assert len({line["data"]["validation"]["sha256"] for line in lines}) == 1
    assert {sum(map(sum, line[part]["confusion"])) for line in lines for part in ("report", "flip")} == {3589}
