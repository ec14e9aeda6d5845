"""What computes the network: the choice, and what is refused."""

import re

import numpy as np
import pytest

from femo_jax import EmotionRecognizer, runtime
from femo_jax.errors import ConfigError
from femo_jax.model_file import save_model_file
from femo_jax.runtime import DEPRECATED_VARIABLE, VARIABLE, asked_runtime, onnx_runtime
from femo_jax.weights import load_for_recognition, model_path

RUNTIMES = ("jax", "onnxruntime", "opencv")


class NoFaces:
    """A detector that finds nothing."""

    def detect(self, image, *, still=True):
        return []


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch):
    for name in (VARIABLE, DEPRECATED_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def installed(monkeypatch):
    """Makes exactly these modules be found."""

    def install(*modules):
        monkeypatch.setattr(runtime, "_found", lambda module: module in modules)

    return install


@pytest.mark.parametrize("named", RUNTIMES)
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_shipped_model_runs_on_the_runtime_that_is_named(named, by, monkeypatch):
    if by == "environment":
        monkeypatch.setenv(VARIABLE, named)
    argument = named if by == "argument" else None
    recognizer = EmotionRecognizer.load("small", NoFaces(), batch_sizes=(1,), runtime=argument)
    assert recognizer.runtime == named
    assert f", {named}, NoFaces)" in repr(recognizer)
    assert recognizer.classify(np.zeros((1, 48, 48), np.uint8)).shape == (1, 7)


def test_an_argument_counts_more_than_the_environment(monkeypatch):
    monkeypatch.setenv(VARIABLE, "opencv")
    assert asked_runtime() == "opencv"
    assert asked_runtime("auto") == "auto"


@pytest.mark.parametrize(
    ("modules", "platforms", "suffix"),
    [
        (("jax", "cv2", "onnxruntime"), None, ".onnx"),
        (("jax", "cv2"), None, ".safetensors"),
        (("jax", "cv2", "onnxruntime", "jax_plugins"), None, ".safetensors"),
        (("jax", "cv2", "onnxruntime", "jax_plugins"), "cpu", ".onnx"),
        (("jax", "cv2", "onnxruntime", "libtpu"), "tpu", ".safetensors"),
    ],
)
def test_onnx_runtime_is_preferred_where_jax_has_no_accelerator(installed, monkeypatch, modules, platforms, suffix):
    installed(*modules)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if platforms:
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
    loaded = load_for_recognition("small")
    assert hasattr(loaded, "path") == (suffix == ".onnx")


def test_a_model_of_the_user_runs_on_jax(random_model, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_model_file(path, random_model)
    assert EmotionRecognizer.load(path, NoFaces(), batch_sizes=(1,)).runtime == "jax"
    with pytest.raises(
        ConfigError, match=rf"{re.escape(str(path))}: runs on JAX alone, and the runtime is onnxruntime: .*export"
    ):
        load_for_recognition(path, "onnxruntime")


def test_an_onnx_model_does_not_run_on_jax():
    path = model_path("small").with_suffix(".onnx")
    with pytest.raises(ConfigError, match="the runtime is jax, on which ONNX models do not run: choose onnxruntime"):
        EmotionRecognizer.load(path, NoFaces(), runtime="jax")


def test_what_is_not_there_is_refused_with_what_installs_it(installed, monkeypatch):
    with pytest.raises(ConfigError, match="runtime=tensorrt: expected one of auto, jax, onnxruntime, opencv, or leave"):
        load_for_recognition("small", "tensorrt")
    monkeypatch.setenv(VARIABLE, "onnxruntime")
    installed("jax", "cv2")
    with pytest.raises(ConfigError, match=r"FEMO_RUNTIME=onnxruntime: is not installed\. pip install onnxruntime, or"):
        load_for_recognition("small")


def test_an_onnx_runtime_that_cannot_be_imported_is_refused_only_where_it_is_named(monkeypatch):
    def refuse(name):
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(runtime, "import_module", refuse)
    assert onnx_runtime() == "opencv"
    with pytest.raises(ConfigError, match=r"onnxruntime, which cannot be imported \(libgomp.*pip install onnxruntime"):
        onnx_runtime("onnxruntime")


def test_the_earlier_name_of_the_variable_works_with_a_warning(monkeypatch):
    monkeypatch.setenv(DEPRECATED_VARIABLE, "opencv")
    with pytest.warns(FutureWarning, match="FEMO_ONNX_RUNTIME is deprecated; use FEMO_RUNTIME"):
        assert onnx_runtime() == "opencv"
    assert onnx_runtime("onnxruntime") == "onnxruntime"
