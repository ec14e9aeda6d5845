import os
import re

import jax
import numpy as np
import pytest

from femo_jax.cli.main import main
from femo_jax.emotions import EMOTIONS
from femo_jax.evaluate import run as evaluation
from femo_jax.export import quantize
from femo_jax.model_file import LoadedModel, load_model_file
from femo_jax.models import create_model
from femo_jax.onnx_model import load_onnx_model
from femo_jax.train import checkpoints
from femo_jax.weights import model_path

OPTIONS = {"widths": [4, 4, 4, 4], "dense": 8}


@pytest.fixture
def model(monkeypatch, tmp_path) -> LoadedModel:
    """What the command finds in the run folder `run`, or in any other."""
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    network = create_model("simple_cnn", **OPTIONS)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), np.zeros((1, 48, 48, 1), np.float32), train=False))
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 1 / 3, np.float32), shapes)
    model = LoadedModel("simple_cnn", OPTIONS, variables, training={"epochs": 3})
    monkeypatch.setattr(checkpoints, "load_for_inference", lambda _: model)
    return model


@pytest.mark.parametrize(("arguments", "dtype"), [([], np.float16), (["--dtype", "float32"], np.float32)])
def test_writes_a_model_file(model, tmp_path, capsys, arguments, dtype):
    target = tmp_path / "model.safetensors"
    assert main(["export", "run", "-o", str(target), *arguments]) == 0
    loaded = load_model_file(target)
    assert loaded.training == {"epochs": 3}
    np.testing.assert_array_equal(loaded.variables["params"]["Dense_0"]["kernel"], np.float32(dtype(1 / 3)))
    printed = capsys.readouterr()
    assert f"femo: wrote {target} (simple_cnn, " in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_writes_to_standard_output(output, model, tmp_path, monkeypatch):
    with (tmp_path / "model.safetensors").open("wb") as file:
        before = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            assert main(["export", "run", "-o", output]) == 0
        finally:
            os.dup2(before, 1)
            os.close(before)
    assert load_model_file(tmp_path / "model.safetensors").training == {"epochs": 3}


def test_calibrates(model, tmp_path, capsys, monkeypatch, validation_tiles):
    asked = []

    def load_split(data, split):
        asked.append((data, split))
        return validation_tiles

    monkeypatch.setattr(evaluation, "load_split", load_split)
    target = tmp_path / "model.safetensors"
    assert main(["export", "run", "-o", str(target), "--calibrate-on", "faces.zip"]) == 0
    assert asked == [("faces.zip", "validation")]
    loaded, printed = load_model_file(target), capsys.readouterr().err
    assert loaded.temperature != 1.0
    assert loaded.training["epochs"] == 3
    measured = loaded.training["calibration"]
    for said in (
        f"temperature {loaded.temperature:.4f}, fitted on validation (45 images)",
        f"{100 * loaded.training['evaluation']['accuracy']:.2f} %",
        f"{measured['nll']['before']:.4f} -> {measured['nll']['after']:.4f} nats",
        f"{100 * measured['ece']['before']:.2f} % -> {100 * measured['ece']['after']:.2f} %",
        f"{100 * measured['cross_fitted_ece']:.2f} % (5 folds)",
        f"{100 * measured['ece_by_chance']['mean']:.2f} % (by chance",
    ):
        assert said in printed


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_calibrates_the_weights_that_it_writes(model, tmp_path, monkeypatch, dtype):
    calibrated, calibrate_model = [], evaluation.calibrate

    def calibrate(model, data):
        calibrated.append(model)
        return calibrate_model(model, data)

    monkeypatch.setattr(evaluation, "calibrate", calibrate)
    target = tmp_path / "model.safetensors"
    main(["export", "run", "-o", str(target), "--calibrate-on", "drawn", "--dtype", np.dtype(dtype).name])
    written = load_model_file(target).variables
    jax.tree.map(np.testing.assert_array_equal, calibrated[0].variables, written)


def test_data_that_cannot_be_read_leave_no_file(model, tmp_path, capsys):
    target = tmp_path / "model.safetensors"
    assert main(["export", "run", "-o", str(target), "--calibrate-on", str(tmp_path / "nowhere.zip")]) == 2
    assert "nowhere.zip" in capsys.readouterr().err.replace("\n", "")
    assert not target.exists()


def test_a_shipped_model_or_model_file_is_exported_again(model, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert main(["export", "run", "-o", str(first)]) == 0
    assert main(["export", str(first), "-o", str(second)]) == 0
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("arguments", [["-o", "mine"], ["-o", "mine.1", "--format", "safetensors"]])
def test_a_model_file_of_any_name_is_read_again(model, tmp_path, arguments):
    assert main(["export", "run", *arguments]) == 0
    assert load_model_file(tmp_path / arguments[1]).training == {"epochs": 3}


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["-o", "mine.onnx"], ["mine.onnx"]),
        (["--format", "onnx", "--input", "float32"], ["model.onnx"]),
        (["-o", "mine.stablehlo"], ["mine.stablehlo", "mine.stablehlo.json"]),
    ],
)
def test_format_and_file_follow_from_one_another(model, tmp_path, arguments, written, capsys):
    assert main(["export", "run", *arguments]) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == written
    printed = capsys.readouterr().err
    assert f"femo: wrote {written[0]} (simple_cnn, {'float32' if '--input' in arguments else 'uint8'} input" in printed


def test_the_card_of_a_shipped_model_is_taken_along(tmp_path):
    assert main(["export", "small", "-o", str(tmp_path / "small.onnx")]) == 0
    card = model_path("small").with_suffix(".md").read_text()
    assert load_onnx_model(tmp_path / "small.onnx").card == card != ""


def test_quantises_and_prints_the_accuracy_lost(model, tmp_path, monkeypatch, capsys, train_tiles, validation_tiles):
    splits = {"train": train_tiles, "validation": validation_tiles}
    monkeypatch.setattr(quantize, "class_names", lambda _: EMOTIONS)
    monkeypatch.setattr(quantize, "load_split", lambda _, split: splits[split])
    assert main(["export", "run", "-o", "small.onnx", "--int8", "faces.zip"]) == 0
    assert load_onnx_model(tmp_path / "small.onnx").quantized
    assert re.search(
        r"accuracy \d+\.\d\d % -> \d+\.\d\d %\n.* points lost, on validation \(45", capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--int8", "drawn"], "the format is safetensors. Give --format onnx"),
        (["-o", "model.tflite", "--format", "onnx"], "model.tflite: has the suffix of the format litert"),
        (["-o", "model.safetensors", "--format", "onnx"], "--format is onnx. Use .onnx"),
        (["-o", "mine.model", "--format", "onnx"], "mine.model: a file of the format onnx has the suffix .onnx"),
        (["-o", "mine", "--format", "litert"], "mine: a file of the format litert has the suffix .tflite"),
        (["-o", "x.pt"], "x.pt: unknown suffix; expected .safetensors, or .onnx, "),
        (["-o", "-", "--format", "onnx"], "--format onnx cannot be written to standard output"),
    ],
)
def test_what_does_not_fit_together_is_refused(model, tmp_path, arguments, message, capsys):
    assert main(["export", "run", *arguments]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ").replace("  ", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_unknown_format_lists_those_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["export", "run", "--format", "onx"])
    assert ended.value.code == 2
    printed = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "Expected one of ('safetensors', 'onnx', 'stablehlo', 'litert')" in printed


def test_not_a_run(tmp_path, capsys):
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "model.safetensors")]) == 2
    assert str(tmp_path) in capsys.readouterr().err.replace("\n", "")
    assert not list(tmp_path.iterdir())
