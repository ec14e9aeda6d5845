"""What the README promises a researcher: train, evaluate, plot, export, from the command line."""

import json

import cv2
import numpy as np
import pytest

from femo_jax.cli.main import main
from femo_jax.data.drawn import drawn_split
from femo_jax.emotions import EMOTIONS
from femo_jax.model_file import logits_function
from femo_jax.train import devices
from femo_jax.train.checkpoints import load_for_inference


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
    assert report["n"] == 420


def test_workdir_and_model_file_evaluate_alike(femo, trained, tmp_path):
    model = tmp_path / "model.safetensors"
    femo.run("export", trained, "-o", model, "--dtype", "float32")
    reports = []
    for source in (trained, model):
        report = tmp_path / "report.json"
        output, _ = femo.run("evaluate", source, "--data", "drawn", "--split", "validation", "--json", report)
        assert "accuracy" in output.lower()
        reports.append(json.loads(report.read_text()))
    assert reports[0].keys() >= {"accuracy", "macro_f1", "nll", "ece", "n", "per_class", "confusion", "tta", "split"}
    assert reports[0]["confusion"] == reports[1]["confusion"]
    assert reports[0]["nll"] == pytest.approx(reports[1]["nll"], rel=1e-5)


def test_a_run_folder_explains_a_face(trained, tmp_path, capsys):
    """By its own network: the logits are those of its best weights."""
    face = drawn_split("test").images[0]
    image, figure = tmp_path / "face.png", tmp_path / "explain.png"
    cv2.imwrite(str(image), face)
    options = ["--faces", "cropped", "--steps", "1", "--json", "-"]
    assert main(["explain", str(image), "--model", str(trained), "-o", str(figure), *options]) == 0
    (explanation,) = json.loads(capsys.readouterr().out)["images"][0]["faces"][0]["explanations"]
    logits = np.asarray(logits_function(load_for_inference(trained))(face[None]))[0]
    assert explanation["label"] == EMOTIONS[logits.argmax()]
    assert explanation["logit"] == pytest.approx(logits.max(), rel=1e-4, abs=1e-4)
    assert cv2.imread(str(figure)) is not None


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
def test_bad_input_ends_with_code_2_and_one_clear_line(arguments, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["--no-such-field", "3"], "no_such_field"),
        (["--model", "resnet9000"], "resnet9000"),
        (["--model-options", '{"wings": 2}'], "wings"),
        (["--epochs", "0"], "epochs"),
        (["--data", "nowhere.zip"], "nowhere.zip"),
    ],
)
def test_a_bad_override_is_named_and_leaves_no_run_folder(femo, tmp_path, overrides, said, capsys, monkeypatch):
    monkeypatch.setattr(devices, "prepare_devices", lambda _: None)  # JAX runs already
    workdir = tmp_path / "run"
    assert main([str(argument) for argument in femo.train_arguments(workdir, *overrides)]) == 2
    assert said in capsys.readouterr().err
    assert not workdir.exists()


def test_another_configuration_in_a_workdir_is_refused(femo, trained):
    _, errors = femo.run(*femo.train_arguments(trained, "--seed", "7"), expect=2)
    assert "seed: 0 before, 7 now" in errors
