"""What is read of ONNX models without the package onnx, and what is refused."""

import dataclasses
import json

import cv2
import numpy as np
import onnx
import pytest

from femo_jax.cli.main import main
from femo_jax.errors import ConfigError, ModelFileError
from femo_jax.export.onnx_file import onnx_model, save_onnx_model
from femo_jax.live.onnx_network import OnnxNetwork
from femo_jax.onnx_model import load_onnx_model
from femo_jax.runtime import VARIABLE
from femo_jax.weights import load_for_recognition, load_model


@pytest.fixture(scope="module")
def written(random_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    save_onnx_model(path, random_model, onnx_model(random_model))
    return path


@pytest.fixture
def changed(written, tmp_path):
    """Writes the model with a change to the message, or to the header in its metadata; gives the path."""

    def write(change=lambda model: None, **header):
        model, path = onnx.load(written), tmp_path / "changed.onnx"
        change(model)
        entries = {entry.key: entry.value for entry in model.metadata_props}
        if header:
            entries["femo"] = json.dumps({**json.loads(entries["femo"]), **header})
            onnx.helper.set_model_props(model, entries)
        path.write_bytes(model.SerializeToString(deterministic=True))
        return path

    return write


def refused(path, *words):
    with pytest.raises(ModelFileError) as caught:
        OnnxNetwork(load_onnx_model(path))
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_missing(tmp_path):
    refused(tmp_path / "nowhere.onnx", "no such model file", "femo export MODEL -o nowhere.onnx")


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_truncated(written, tmp_path, part):
    path = tmp_path / "cut.onnx"
    contents = written.read_bytes()
    path.write_bytes(contents[: int(part * len(contents))])
    with pytest.raises(ModelFileError, match=r"truncated or damaged|without the metadata entry|opset 0"):
        load_onnx_model(path)


def test_a_flipped_bit_in_the_weights(written, tmp_path):
    contents = bytearray(written.read_bytes())
    contents[len(contents) // 2] ^= 1
    path = tmp_path / "flipped.onnx"
    path.write_bytes(contents)
    refused(path, "the checksum does not match")


@pytest.mark.parametrize("contents", [b"\x00" * 100, b"PK\x03\x04 a zip", b"\xff" * 100, b"text of no kind"])
def test_something_else(tmp_path, contents):
    path = tmp_path / "other.onnx"
    path.write_bytes(contents)
    refused(path, "not an ONNX model, or a truncated or damaged one")


@pytest.mark.parametrize("opset", [9, 12, 99])
def test_another_opset(changed, opset):
    refused(changed(lambda model: setattr(model.opset_import[0], "version", opset)), f"of ONNX opset {opset}", "13 to")


def test_no_metadata(changed):
    refused(changed(lambda model: model.ClearField("metadata_props")), "without the metadata entry 'femo'")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"format": 2}, ["has format '2'", "reads format 1"]),
        ({"classes": ["calm", "glad"]}, ["an output [1, 7]", "expected [1, 2]", "calm, glad"]),
        ({"classes": "calm"}, ["classes is 'calm'; expected a list"]),
        ({"classes": ["calm", "calm"]}, ["'calm' occurs twice"]),
        ({"image_size": 64}, ["on images of 64 pixels"]),
        ({"image_size": "48"}, ["image_size in its metadata is '48'"]),
        ({"input": "int8"}, ["input in its metadata is 'int8'; expected uint8 or float32"]),
        ({"std": 0}, ["std in its metadata is 0; expected a positive number"]),
        ({"quantized": 1}, ["quantized in its metadata is 1"]),
        ({"another": 1}, ["is not that of a femo model"]),
    ],
)
def test_metadata_that_do_not_fit(changed, header, words):
    refused(changed(**header), *words)


def test_metadata_that_are_no_json(changed):
    refused(changed(lambda model: onnx.helper.set_model_props(model, {"femo": "{"})), "'femo' cannot be read")


def test_opencv_is_named_where_it_cannot_run_a_model(changed, monkeypatch):
    monkeypatch.setenv(VARIABLE, "opencv")
    refused(changed(image_size=64), "opencv cannot run this model")


def test_a_runtime_that_there_is_not(written, monkeypatch):
    monkeypatch.setenv(VARIABLE, "tensorrt")
    with pytest.raises(ConfigError, match="FEMO_RUNTIME=tensorrt: expected one of auto, jax, onnxruntime, opencv"):
        OnnxNetwork(load_onnx_model(written))


def test_commands_that_need_the_weights_refuse_it(written):
    with pytest.raises(ModelFileError, match="is an ONNX model, which recognises only"):
        load_model(written)
    assert load_for_recognition(written).path == written


def test_it_cannot_be_explained(written, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "face.png"), np.full((48, 48), 128, np.uint8))
    arguments = ["-o", str(tmp_path / "explained.png"), "--model", str(written)]
    assert main(["explain", str(tmp_path / "face.png"), *arguments]) == 2
    assert "an ONNX model cannot be explained" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("runtime", ["onnxruntime", "opencv"])
@pytest.mark.parametrize("faces_as", ["uint8", "float32"])
def test_runs_any_number_of_faces(random_model, tmp_path, monkeypatch, runtime, faces_as):
    monkeypatch.setenv(VARIABLE, runtime)
    loaded = dataclasses.replace(random_model, mean=0.4, temperature=200.0)
    path = tmp_path / "model.onnx"
    save_onnx_model(path, loaded, onnx_model(loaded, faces_as=faces_as), faces_as=faces_as)
    network = OnnxNetwork(load_onnx_model(path))
    faces = np.random.default_rng(0).integers(0, 256, (37, 48, 48), dtype=np.uint8)
    given = network(faces)
    assert (network.runtime, given.shape, given.dtype) == (runtime, (37, 7), np.float32)
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(network(faces[5:6]), given[5:6], atol=1e-6)
    assert network(faces[:0]).shape == (0, 7)
