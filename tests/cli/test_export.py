import jax
import numpy as np
import pytest

from femo_jax.cli import export as command
from femo_jax.cli.main import main
from femo_jax.model_file import LoadedModel, load_model_file
from femo_jax.models import create_model

OPTIONS = {"widths": [4, 4, 4, 4], "dense": 8}


@pytest.fixture
def model(monkeypatch) -> LoadedModel:
    """What the command finds in any workdir."""
    network = create_model("simple_cnn", **OPTIONS)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), np.zeros((1, 48, 48, 1), np.float32), train=False))
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 1 / 3, np.float32), shapes)
    model = LoadedModel("simple_cnn", OPTIONS, variables, training={"epochs": 3})
    monkeypatch.setattr(command, "load_for_inference", lambda _: model)
    return model


@pytest.mark.parametrize(("arguments", "dtype"), [([], np.float16), (["--dtype", "float32"], np.float32)])
def test_writes_a_model_file(model, tmp_path, capsys, arguments, dtype):
    target = tmp_path / "model.safetensors"
    assert main(["export", "run", "-o", str(target), *arguments]) == 0
    loaded = load_model_file(target)
    assert loaded.training == {"epochs": 3}
    np.testing.assert_array_equal(loaded.variables["params"]["Dense_0"]["kernel"], np.float32(dtype(1 / 3)))
    assert "simple_cnn" in capsys.readouterr().out


def test_not_a_run(tmp_path, capsys):
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "model.safetensors")]) == 2
    assert str(tmp_path) in capsys.readouterr().err.replace("\n", "")
    assert not list(tmp_path.iterdir())
