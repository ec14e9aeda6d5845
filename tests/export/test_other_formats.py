"""StableHLO, LiteRT and quantised models, as their own runtimes read them."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from jax import export

from femo_jax.data.drawn import drawn_split
from femo_jax.data.load import load_split
from femo_jax.errors import ConfigError, DataError
from femo_jax.export.described import save_description
from femo_jax.export.litert import save_litert
from femo_jax.export.onnx_file import onnx_model
from femo_jax.export.quantize import accuracy_lost, quantize, quantize_on
from femo_jax.export.stablehlo import save_stablehlo
from femo_jax.weights import load_model
from tools.runtimes import on_litert, on_stablehlo

from .conftest import NARROW, log_probabilities, random_network


def test_stablehlo_comes_back(drawn_faces, tmp_path):
    loaded, path = random_network("femonet", **NARROW["femonet"]), tmp_path / "model.stablehlo"
    assert save_stablehlo(path, loaded) == path.stat().st_size
    read = export.deserialize(bytearray(path.read_bytes()))
    assert read.platforms == ("cpu", "cuda", "tpu")
    expected = log_probabilities(loaded, drawn_faces)
    for count in (1, 21):
        np.testing.assert_allclose(np.log(jax.jit(read.call)(drawn_faces[:count])), expected[:count], atol=1e-4)


@pytest.mark.real_data
@pytest.mark.integration
def test_shipped_model_on_publictest(fer2013, tmp_path):
    """200 images; `tools/runtimes.py` takes all, and all runtimes."""
    pytest.importorskip("ai_edge_litert.interpreter")
    loaded, faces = load_model("small"), load_split(fer2013, "validation").images[:200, ..., 0]
    expected = log_probabilities(loaded, faces)
    save_stablehlo(tmp_path / "small.stablehlo", loaded)
    save_litert(tmp_path / "small.tflite", loaded)
    for run in (on_stablehlo(tmp_path / "small.stablehlo"), on_litert(tmp_path / "small.tflite")):
        np.testing.assert_allclose(np.log(run(faces)), expected, atol=1e-4)


def test_description_beside_a_file(tmp_path):
    loaded = random_network("femonet", **NARROW["femonet"])
    path = save_description(tmp_path / "model.tflite", loaded, faces_as="float32", card="# Card")
    assert path.name == "model.tflite.json"
    read = json.loads(path.read_text())
    assert (read["classes"], read["temperature"], read["card"]) == (list(loaded.classes), 1.3, "# Card")
    assert read["input"] == {"name": "faces", "shape": ["n", 48, 48], "dtype": "float32"}


@pytest.mark.integration
def test_litert_gives_what_the_network_gives(drawn_faces, tmp_path):
    pytest.importorskip("ai_edge_litert.interpreter")
    loaded, path = random_network("femonet", **NARROW["femonet"]), tmp_path / "model.tflite"
    assert save_litert(path, loaded) == path.stat().st_size
    given = np.log(on_litert(path)(drawn_faces))
    np.testing.assert_allclose(given, log_probabilities(loaded, drawn_faces), atol=1e-4)


def test_quantised_graph_is_close_and_small():
    loaded, split = load_model("small"), drawn_split("validation")
    faces = split.images[:210, ..., 0]
    graph = onnx_model(loaded)
    quantized = quantize(graph, faces[:70])
    assert quantized.ByteSize() < 0.3 * graph.ByteSize()
    loss = accuracy_lost(graph, quantized, split._replace(labels=split.labels[:210]), faces)
    assert loss.n == 210
    assert loss.before > 0.4
    assert abs(loss.before - loss.after) < 0.06


def test_quantisation_needs_faces_of_the_same_classes():
    loaded = random_network("femonet", num_classes=3, **NARROW["femonet"])
    loaded = replace(loaded, classes=("calm", "glad", "sad"))
    graph = onnx_model(loaded)
    with pytest.raises(DataError, match="there are none"):
        quantize(graph, np.zeros((0, 48, 48), np.uint8))
    with pytest.raises(ConfigError, match="drawn: has the classes angry"):
        quantize_on(graph, loaded, "drawn")
