import json
import subprocess
import sys

import cv2
import pytest

from femo_jax.errors import CheckpointError, ConfigError, FemoError
from femo_jax.evaluate.run_report import read_report
from femo_jax.evaluate.summary import as_json, deviation, is_finished, markdown, mean, read_rows, run_folders
from femo_jax.figures.summary import plot_summary
from femo_jax.train.config import TrainConfig, as_dict


def write_run(root, label, seed, accuracy, *, epochs=2, images="a", **changes):
    """A run folder as femo leaves it, without its checkpoints."""
    run = root / label / f"seed{seed}"
    run.mkdir(parents=True)
    config = as_dict(TrainConfig(seed=seed, epochs=epochs, model_options={"widths": (4, 6)}, **changes))
    data = {"train": {"n": 7, "sha256": "t"}, "validation": {"n": 7, "sha256": images}}
    (run / "config.json").write_text(json.dumps({"config": config, "data": data}))
    log = [
        {"epoch": epoch, "step": epoch, "split": split, "loss": 1.0, "accuracy": accuracy - 0.1 / epoch, "seconds": 15}
        for epoch in range(1, epochs + 1)
        for split in ("train", "validation")
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in log))
    report = {"accuracy": accuracy, "last_accuracy": accuracy - 0.01, "macro_f1": accuracy - 0.1, "ece": 0.03}
    (run / "report.json").write_text(json.dumps(report))
    (run / "flip.json").write_text(json.dumps({"accuracy": accuracy + 0.01}))
    return run


@pytest.fixture
def root(tmp_path):
    """Two labels, of three and one seeds."""
    for seed, accuracy in ((10, 0.62), (2, 0.60), (0, 0.64)):
        write_run(tmp_path, "net", seed, accuracy)
    write_run(tmp_path, "net,epochs=3", 0, 0.66, epochs=3)
    return tmp_path


def test_mean_and_sample_deviation():
    assert mean([1.0, 2.0, 6.0]) == 3.0
    assert deviation([1.0, 3.0]) == pytest.approx(2**0.5)
    assert (mean([]), deviation([1.0])) == (None, None)


def test_rows_hold_each_seed_s_figures_the_best_label_first(root):
    better, row = read_rows(root)
    assert (better.label, better.epochs, better.minutes) == ("net,epochs=3", 3, [1.5])
    assert (row.label, row.epochs, row.seeds) == ("net", 2, [0, 2, 10])
    assert row.accuracy == [0.64, 0.60, 0.62]
    assert row.last_accuracy == pytest.approx([0.63, 0.59, 0.61])
    assert row.flip_accuracy == pytest.approx([0.65, 0.61, 0.63])
    assert row.macro_f1 == pytest.approx([0.54, 0.50, 0.52])
    assert row.minutes == [1.0, 1.0, 1.0]
    assert row.parameters == 917 and row.multiply_adds > row.parameters


def test_markdown(root):
    lines = markdown(read_rows(root), name=lambda row: f"[{row.label}](a|b)").splitlines()
    assert lines[0].startswith("| label | parameters |") and len(lines) == 4
    assert lines[2].startswith("| [net,epochs=3](a\\|b) | 917 |")
    assert "| 1.5 | 1 | 66.00 % | 65.00 % | 67.00 % | 0.560 | 0.030 |" in lines[2]
    assert "| 1.0 | 3 | 62.00 ± 2.00 % | 61.00 ± 2.00 % | 63.00 ± 2.00 % | 0.520 ± 0.020 |" in lines[3]


def test_json_has_mean_deviation_and_seeds(root):
    one, several = as_json(read_rows(root))
    assert several["accuracy"] == {"mean": pytest.approx(0.62), "sd": pytest.approx(0.02), "by_seed": [0.64, 0.6, 0.62]}
    assert one["accuracy"]["sd"] is None
    json.dumps([one, several], allow_nan=False)


@pytest.mark.parametrize("missing", ["report.json", "flip.json", "metrics.jsonl"])
def test_a_run_without_all_its_files_is_left_out(root, missing):
    (root / "net" / "seed2" / missing).unlink()
    assert read_rows(root)[1].seeds == [0, 10]


def test_a_run_without_all_its_epochs_is_left_out(root):
    log = root / "net" / "seed2" / "metrics.jsonl"
    assert is_finished(log.parent)
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:3]))
    assert not is_finished(log.parent)
    assert read_rows(root)[1].seeds == [0, 10]
    assert list(run_folders(root)["net"]) == [0, 2, 10]


def test_failed_runs_stand_in_the_table(root):
    (root / "net" / "seed2" / "report.json").unlink()
    (root / "net,epochs=3" / "seed0" / "report.json").unlink()
    rows = read_rows(root, {"net": {2: "not finite"}, "net,epochs=3": {0: "not finite"}})
    assert [(row.label, row.seeds, row.failed) for row in rows] == [
        ("net", [0, 10], {2: "not finite"}),
        ("net,epochs=3", [], {0: "not finite"}),
    ]
    assert "| - | 0, 1 failed | - | - | - | - | - |" in markdown(rows)
    assert as_json(rows)[1]["failed"] == {0: "not finite"}


@pytest.mark.parametrize(
    ("label", "changes", "said"),
    [
        ("net", {"learning_rate": 0.5}, r"seed7.*seed0:\n  config\.learning_rate: 0\.1 before, 0\.5 now"),
        ("net", {"epochs": 9}, r"config\.epochs"),
        ("other", {"images": "b"}, r"validation\.sha256: a before, b now"),
    ],
)
def test_what_cannot_be_compared_is_refused(root, label, changes, said):
    write_run(root, label, 7, 0.6, **changes)
    with pytest.raises(ConfigError, match=said):
        read_rows(root)


def test_a_damaged_report_is_named(root):
    (root / "net" / "seed2" / "report.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"seed2/report\.json: not a report of femo"):
        read_rows(root)


def test_a_report_of_femo_0_1_is_read(tmp_path):
    corrupted = {"moved 5 pixels": {"accuracy": 0.4}, "rotated 10 degrees": {"accuracy": 0.5}}
    old = {"accuracy": 0.7, "views": "ten", "unseen": {"n": 3}, "robustness": {"seed": 0, "corrupted": corrupted}}
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert read_report(tmp_path / "old.json") == {
        "accuracy": 0.7,
        "tta": "ten_crop",
        "without_overlap": {"n": 3},
        "robustness": {
            "seed": 0,
            "corrupted": {"motion blur, 5 px": {"accuracy": 0.4}, "rotated 10 degrees": {"accuracy": 0.5}},
        },
    }


@pytest.mark.parametrize("contents", ["", "[]", "{}", '{"accuracy": null}', "\x00"])
def test_what_is_no_report_is_named(tmp_path, contents):
    (tmp_path / "report.json").write_text(contents)
    with pytest.raises(CheckpointError, match=r"report\.json: not a report of femo"):
        read_report(tmp_path / "report.json")


def test_an_older_femo_s_config_has_the_defaults_of_newer_fields(root):
    path = root / "net" / "seed2" / "config.json"
    record = json.loads(path.read_text())
    del record["config"]["dtype"]
    path.write_text(json.dumps(record))
    assert read_rows(root)[1].seeds == [0, 2, 10]


@pytest.mark.parametrize("labels", [1, 12])
def test_the_figure_names_every_label_and_is_higher_with_more(tmp_path, labels):
    for number in range(labels):
        write_run(tmp_path, f"net,clip_norm={number}", 0, 0.5 + number / 100, epochs=1 + 2 * (labels > 1))
    rows = read_rows(tmp_path)
    plot_summary(rows, run_folders(tmp_path), tmp_path / "sweep.svg", "Sweep")
    svg = (tmp_path / "sweep.svg").read_text()
    assert all(f"<!-- clip_norm={number} -->" in svg for number in range(labels)) or labels == 1
    assert "<!-- Sweep: net" in svg or labels == 1
    plot_summary(rows, run_folders(tmp_path), tmp_path / "sweep.png", "Sweep")
    assert (cv2.imread(str(tmp_path / "sweep.png")).shape[0] > 850) == (labels == 12)


def test_a_figure_of_nothing_is_refused(tmp_path):
    with pytest.raises(FemoError, match="no finished run"):
        plot_summary([], {}, tmp_path / "sweep.png", "Sweep")


@pytest.mark.integration
def test_the_summary_needs_no_tensorflow():
    code = "import sys, femo_jax.evaluate.summary; print('tensorflow' in sys.modules, 'tyro' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
