import os

import jax
import numpy as np
import pytest

from femo_jax.cli.main import main
from femo_jax.evaluate import run as evaluation
from femo_jax.model_file import LoadedModel, load_model_file
from femo_jax.models import create_model
from femo_jax.train import checkpoints

OPTIONS = {"widths": [4, 4, 4, 4], "dense": 8}


@pytest.fixture
def model(monkeypatch) -> LoadedModel:
    """What the command finds in any workdir."""
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


def test_not_a_run(tmp_path, capsys):
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "model.safetensors")]) == 2
    assert str(tmp_path) in capsys.readouterr().err.replace("\n", "")
    assert not list(tmp_path.iterdir())
