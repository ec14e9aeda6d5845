"""ONNX models give what the network gives, on ONNX Runtime and on OpenCV, and carry what is needed to use them."""

import json
from dataclasses import replace

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from flax import linen as nn

from femo_jax import __version__
from femo_jax.errors import ModelFileError
from femo_jax.export.network import faces_of, logits_of_faces
from femo_jax.export.onnx_file import onnx_model, save_onnx_model
from femo_jax.export.onnx_graph import INPUT, OPSET, OUTPUT
from femo_jax.model_file import LoadedModel
from femo_jax.models import registry
from femo_jax.models.layers import global_mean
from femo_jax.onnx_model import load_onnx_model
from femo_jax.ops import avg_pool, conv2d
from femo_jax.weights import load_model, shipped_names

from .conftest import NARROW, log_probabilities, random_network


def on_onnxruntime(model: onnx.ModelProto, faces: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: faces})[0])


def on_opencv(model: onnx.ModelProto, faces: np.ndarray) -> np.ndarray:
    network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    network.setInput(faces.astype(np.float32))
    return network.forward()


@pytest.fixture(scope="module")
def graph(network) -> onnx.ModelProto:
    return onnx_model(network)


@pytest.mark.parametrize("run", [on_onnxruntime, on_opencv])
def test_gives_what_the_network_gives(run, graph, drawn_faces, expected):
    onnx.checker.check_model(graph, full_check=True)
    for count in (1, 21):  # the batch is dynamic
        np.testing.assert_allclose(np.log(run(graph, drawn_faces[:count])), expected[:count], atol=1e-4)


def test_takes_normalised_faces(drawn_faces):
    loaded = replace(random_network("femonet", **NARROW["femonet"]), mean=0.3, std=0.4)
    model, faces = onnx_model(loaded, faces_as="float32"), (drawn_faces / np.float32(255) - 0.3) / 0.4
    np.testing.assert_allclose(faces_of(drawn_faces[..., None], loaded, "float32"), faces, atol=1e-6)
    for run in (on_onnxruntime, on_opencv):
        given = np.log(run(model, faces.astype(np.float32)))
        np.testing.assert_allclose(given, log_probabilities(loaded, drawn_faces), atol=1e-4)


def test_shipped_model(drawn_faces):
    loaded = load_model("small")
    model, expected = onnx_model(loaded), log_probabilities(loaded, drawn_faces)
    for run in (on_onnxruntime, on_opencv):
        np.testing.assert_allclose(np.log(run(model, drawn_faces)), expected, atol=1e-4)


@pytest.mark.real_data
@pytest.mark.parametrize("name", shipped_names())
def test_shipped_models_on_publictest(name, fer2013):
    """200 images; `tools/runtimes.py` takes all."""
    from femo_jax.data.load import load_split

    loaded, faces = load_model(name), load_split(fer2013, "validation").images[::18, ..., 0]
    model, expected = onnx_model(loaded), log_probabilities(loaded, faces)
    for run in (on_onnxruntime, on_opencv):
        np.testing.assert_allclose(np.log(run(model, faces)), expected, atol=1e-4)


def test_batch_norm_is_folded(graph):
    kinds = {node.op_type for node in graph.graph.node}
    assert {"Conv", "MaxPool", "Softmax"} <= kinds
    assert not kinds & {"BatchNormalization", "Sqrt", "Reciprocal"}


def test_operators_are_those_that_opencv_4_6_reads(graph):
    """That of Debian 12 and Ubuntu 24.04."""
    assert "ReduceSum" not in {node.op_type for node in graph.graph.node}
    assert not [each.name for each in graph.graph.initializer if len(each.dims) == 2 and each.dims[0] == 1]


def test_a_network_in_bfloat16_is_exported_in_float32(drawn_faces):
    full = random_network("femonet", **NARROW["femonet"])
    half = replace(full, options={**full.options, "dtype": "bfloat16"})
    np.testing.assert_allclose(
        np.log(on_onnxruntime(onnx_model(half), drawn_faces)), log_probabilities(full, drawn_faces), atol=1e-4
    )


def test_a_file_holds_what_is_needed_to_use_it(tmp_path):
    loaded = replace(
        random_network("femonet", num_classes=3, **NARROW["femonet"]),
        classes=("calm", "glad", "sad"),
        mean=0.4,
        std=0.3,
        training={"epochs": 3},
    )
    path = tmp_path / "model.onnx"
    size = save_onnx_model(path, loaded, onnx_model(loaded), card="# Card")
    assert size == path.stat().st_size
    model = load_onnx_model(path)
    assert (model.architecture, model.classes, model.image_size) == ("femonet", ("calm", "glad", "sad"), 48)
    assert (model.mean, model.std, model.temperature, model.input) == (0.4, 0.3, 1.3, "uint8")
    assert (model.training, model.version, model.card, model.quantized) == ({"epochs": 3}, __version__, "# Card", False)
    # Other programs read it with the package onnx.
    read = onnx.load(path)
    assert [(each.domain, each.version) for each in read.opset_import] == [("", OPSET)]
    assert json.loads({entry.key: entry.value for entry in read.metadata_props}["femo"])["classes"][1] == "glad"


def test_the_same_model_gives_the_same_bytes(tmp_path):
    loaded = random_network("simple_cnn", **NARROW["simple_cnn"])
    for name in "ab":
        save_onnx_model(tmp_path / name, loaded, onnx_model(loaded))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_gives_something_else_is_not_written(tmp_path):
    loaded = random_network("femonet", **NARROW["femonet"])
    with pytest.raises(ModelFileError, match="differ by up to"):
        save_onnx_model(tmp_path / "model.onnx", replace(loaded, temperature=2.0), onnx_model(loaded))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def own_network(monkeypatch):
    """Registers a network of one function of normalised images, without weights; gives its model."""

    def own(function) -> LoadedModel:
        class Own(nn.Module):
            """A network of one's own."""

            num_classes: int = 7

            @nn.compact
            def __call__(self, images, *, train):
                return function(images)

        monkeypatch.setitem(registry._NETWORKS, "own", Own)
        return LoadedModel("own", {}, {})

    return own


def _dilated(x):
    kernel = jnp.linspace(-1, 1, 9 * 7).reshape(3, 3, 1, 7)
    return global_mean(
        jax.lax.conv_general_dilated(
            x, kernel, (2, 1), [(2, 0), (1, 2)], rhs_dilation=(2, 3), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    )


def _pooled(x):
    x = conv2d(x, jnp.linspace(-1, 1, 9 * 7).reshape(3, 3, 1, 7), strides=2)
    return global_mean(nn.avg_pool(x, (3, 3), (2, 2), "SAME")) + global_mean(
        avg_pool(nn.max_pool(x, (2, 3), (1, 2)), 3, strides=2, padding="SAME", implementation="lax")
    )


def _activations(x):
    x = jax.lax.slice(x, (0, 0, 0, 0), x.shape, (1, 8, 8, 1)).reshape(x.shape[0], -1)
    left, right = (jax.lax.slice_in_dim(x, start, stop, axis=1) for start, stop in ((0, 3), (3, 7)))
    x, y = jnp.concatenate([left, right], axis=1), jnp.concatenate([nn.gelu(left), nn.silu(right)], axis=1)
    return nn.leaky_relu(y) + jnp.tanh(x) ** 3 - jax.lax.rsqrt(1 + jnp.square(x)) * jnp.minimum(jnp.abs(x), 1.0)


def _transposed(x):
    y = jnp.pad(
        jax.lax.slice_in_dim(x, 5, 40, 5, axis=2), ((0, 0), (1, 1), (0, 0), (0, 0)), constant_values=2.0
    ).transpose(0, 3, 2, 1)
    return y.max(axis=3).squeeze(1) + y.min(axis=(1, 3)) + y.mean(axis=3).squeeze(1)


@pytest.mark.parametrize("function", [_dilated, _pooled, _activations, _transposed])
def test_networks_of_ones_own(function, own_network, drawn_faces):
    loaded = own_network(function)
    expected = np.asarray(jax.nn.log_softmax(logits_of_faces(loaded)(drawn_faces)))
    np.testing.assert_allclose(np.log(on_onnxruntime(onnx_model(loaded), drawn_faces)), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("operation", "function"),
    [
        ("sort", lambda x: global_mean(jnp.sort(x, axis=1) * jnp.ones(7))),
        ("cumsum", lambda x: global_mean(jnp.cumsum(x, axis=1) * jnp.ones(7))),
        ("dot_general", lambda x: global_mean((x.squeeze(3) @ x.squeeze(3))[..., None] * jnp.ones(7))),
        (
            "dilated input",
            lambda x: global_mean(
                jax.lax.conv_transpose(
                    x, jnp.ones((2, 2, 1, 7)), (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
            ),
        ),
        ("does not depend on the image", lambda x: jnp.ones((1, 7))),
    ],
)
def test_an_operation_that_is_not_covered_is_named(operation, function, own_network):
    with pytest.raises(ModelFileError, match=operation):
        onnx_model(own_network(function))
