"""What the README promises a researcher: train, evaluate, plot, export, from the command line."""

import json

import cv2
import pytest

from femo_jax.cli.main import main


def test_a_run_leaves_what_the_readme_lists(trained):
    names = {path.name for path in trained.iterdir()}
    assert names >= {
        "config.json",
        "metrics.jsonl",
        "report.json",
        "flip.json",
        "curves.png",
        "confusion.png",
        "checkpoints",
        "best",
    }
    for figure in ("curves.png", "confusion.png"):
        assert min(cv2.imread(str(trained / figure)).shape[:2]) > 300


def test_the_report_is_the_best_epoch_of_the_log(trained):
    log = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    report = json.loads((trained / "report.json").read_text())
    best = max(record["accuracy"] for record in log if record["split"] == "validation")
    assert report["accuracy"] == pytest.approx(best)
    assert report["n"] == 70


def test_workdir_and_model_file_evaluate_alike(femo, trained, tmp_path):
    model = tmp_path / "model.safetensors"
    femo.run("export", trained, "-o", model, "--dtype", "float32")
    reports = []
    for source in (trained, model):
        report = tmp_path / "report.json"
        output, _ = femo.run("evaluate", source, "--data", femo.data, "--split", "validation", "--json", report)
        assert "accuracy" in output.lower()
        reports.append(json.loads(report.read_text()))
    assert reports[0].keys() >= {"accuracy", "macro_f1", "nll", "ece", "n", "per_class", "confusion", "tta", "split"}
    assert reports[0]["confusion"] == reports[1]["confusion"]
    assert reports[0]["nll"] == pytest.approx(reports[1]["nll"], rel=1e-5)


def test_curves_of_two_runs(femo, trained, tmp_path):
    femo.run("plot", trained, trained / "metrics.jsonl", "-o", tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")) is not None


def test_models_are_listed(femo):
    output, _ = femo.run("models")
    assert {"femonet", "mini_xception", "simple_cnn"} <= set(output.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "nowhere.py", "--data", "drawn"], "nowhere.py"),
        (["evaluate", "nowhere", "--data", "drawn"], "nowhere"),
        (["plot", "nowhere", "-o", "curves.png"], "nowhere"),
        (["export", "nowhere", "-o", "model.safetensors"], "nowhere"),
        (["data", "prepare", "nowhere"], "nowhere"),
        (["fly"], "fly"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_clear_line(capsys, arguments, said):
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["--no-such-field", "3"], "--no-such-field"),
        (["--model", "resnet9000"], "resnet9000"),
        (["--model-options", '{"wings": 2}'], "wings"),
        (["--epochs", "0"], "epochs"),
        (["--data", "nowhere.zip"], "nowhere.zip"),
    ],
)
def test_a_bad_override_is_named_and_leaves_no_run_folder(femo, tmp_path, capsys, overrides, said):
    workdir = tmp_path / "run"
    assert main([str(word) for word in femo.train_arguments(workdir, *overrides)]) == 2
    assert said in capsys.readouterr().err
    assert not workdir.exists()


def test_another_configuration_in_a_workdir_is_refused(femo, trained):
    _, errors = femo.run(*femo.train_arguments(trained, "--seed", "7"), expect=2)
    assert "seed: 0 before, 7 now" in errors
