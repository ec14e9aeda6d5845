import dataclasses
import errno
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from femo_jax import EMOTIONS, model_file
from femo_jax.errors import FemoError, ModelFileError
from femo_jax.model_file import LoadedModel, load_model_file, logits_function, save_model_file
from femo_jax.models import create_model, model_names
from femo_jax.preprocess import normalize


@pytest.fixture(scope="module")
def model(random_model) -> LoadedModel:
    training = {"epochs": 3, "accuracy": 0.625}
    return dataclasses.replace(random_model, mean=0.4, std=0.2, training=training, temperature=1.5)


@pytest.fixture
def inputs() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 48, 48, 1), np.uint8)


@pytest.fixture
def written(model, tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model_file(path, model, "float16")
    return path


def write_unchecked(path: Path, loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes what `save_model_file` would refuse."""
    with monkeypatch.context() as patch:
        patch.setattr(model_file, "_check", lambda *_: None)
        patch.setattr(model_file, "load_model_file", lambda _: None)
        save_model_file(path, loaded, "float32")


def with_first_weight(loaded: LoadedModel, value: float) -> LoadedModel:
    variables = jax.tree.map(np.copy, loaded.variables)
    variables["params"]["Dense_0"]["kernel"][0, 0] = value
    return dataclasses.replace(loaded, variables=variables)


def test_float32_keeps_everything(model, tmp_path):
    save_model_file(tmp_path / "model.safetensors", model, "float32")
    loaded = load_model_file(tmp_path / "model.safetensors")
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, model.variables)
    assert dataclasses.replace(loaded, variables={}) == dataclasses.replace(model, variables={})
    assert loaded.classes == EMOTIONS


def test_float16_halves_the_file_and_rounds_parameters_alone(model, written, tmp_path):
    save_model_file(tmp_path / "float32.safetensors", model, "float32")
    loaded = load_model_file(written)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(loaded.variables))
    jax.tree.map(np.testing.assert_array_equal, loaded.variables["batch_stats"], model.variables["batch_stats"])
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(a, b.astype(np.float16)),
        loaded.variables["params"],
        model.variables["params"],
    )
    saved = (tmp_path / "float32.safetensors").stat().st_size - written.stat().st_size
    assert saved == pytest.approx(2 * sum(leaf.size for leaf in jax.tree.leaves(model.variables["params"])), abs=16)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rounded_is_what_comes_back(model, tmp_path, dtype):
    save_model_file(tmp_path / "model.safetensors", model, dtype)
    expected, rounded = load_model_file(tmp_path / "model.safetensors"), model_file.rounded(model, dtype)
    jax.tree.map(np.testing.assert_array_equal, rounded.variables, expected.variables)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(rounded.variables))
    assert dataclasses.replace(rounded, variables={}) == dataclasses.replace(model, variables={})


def test_same_model_same_bytes(model, written, tmp_path):
    again = tmp_path / "again.safetensors"
    save_model_file(again, model, "float16")
    assert again.read_bytes() == written.read_bytes()


def test_logits_are_those_of_the_network_over_the_temperature(model, inputs):
    network = create_model(model.architecture, **model.options)
    apply = jax.jit(partial(network.apply, train=False))
    expected = apply(model.variables, normalize(inputs, model.mean, model.std)) / 1.5
    function = jax.jit(logits_function(model))
    np.testing.assert_allclose(function(inputs), expected, rtol=1e-5)
    np.testing.assert_allclose(function(inputs / np.float32(255)), expected, rtol=1e-4)


def test_probabilities_are_a_softmax_and_never_hide_nan():
    logits = np.zeros((3, 7), np.float32)
    logits[0, 2], logits[1, 3], logits[2, 4] = np.log(4), np.nan, np.inf
    probabilities = np.asarray(jax.jit(model_file.class_probabilities)(logits))
    np.testing.assert_allclose(probabilities[0], [0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.1], rtol=1e-6)
    assert np.isnan(probabilities[1:]).all()


def test_weights_are_arguments_of_a_jitted_function(model, inputs):
    jaxpr = jax.make_jaxpr(lambda function, images: function(images))(logits_function(model), inputs)
    assert max((np.size(constant) for constant in jaxpr.consts), default=0) <= 1


def test_cut_off_at_any_length(written, tmp_path):
    whole, cut = written.read_bytes(), tmp_path / "cut.safetensors"
    for length in [*range(0, len(whole), 41), *range(12), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"cut\.safetensors: truncated or damaged"):
            load_model_file(cut)


def test_trailing_bytes(written):
    written.write_bytes(written.read_bytes() + b"\0")
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        load_model_file(written)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_flipped_bits_anywhere(written, flip):
    whole = written.read_bytes()
    for position in [*range(8), *range(8, len(whole), 53)]:
        damaged = bytearray(whole)
        damaged[position] ^= flip
        written.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            load_model_file(written)


@pytest.mark.parametrize("length", [2**40, 2**63, 2**64 - 1])
def test_huge_header_length(written, length):
    written.write_bytes(length.to_bytes(8, "little") + written.read_bytes()[8:])
    with pytest.raises(ModelFileError, match="not a model file of femo, or a damaged one"):
        load_model_file(written)


def test_header_larger_than_any_model_has(tmp_path):
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as file:
        file.write((2**29).to_bytes(8, "little"))
        file.truncate(2**30)
    with pytest.raises(ModelFileError, match="does not begin as a safetensors file"):
        load_model_file(path)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(ModelFileError, match="no such model file"):
            load_model_file(path)


def test_safetensors_of_somebody_else(tmp_path):
    for metadata in (None, {"format": "pt"}, {"femo": "[]"}, {"femo": "{"}, {"femo": "[" * 100_000}):
        save_file({"x": np.zeros(3, np.float32)}, tmp_path / "other.safetensors", metadata)
        with pytest.raises(ModelFileError, match="not a model file of femo"):
            load_model_file(tmp_path / "other.safetensors")


def test_weights_of_a_type_that_femo_does_not_store(tmp_path):
    save_file({"x": np.zeros(3, np.int64)}, tmp_path / "other.safetensors", {"femo": '{"format": 1}'})
    with pytest.raises(ModelFileError, match="I64"):
        load_model_file(tmp_path / "other.safetensors")


def test_header_without_a_field(model, tmp_path):
    header = {"format": 1, "architecture": "simple_cnn"}
    header["sha256"] = model_file._digest(header, {})
    save_file({}, tmp_path / "other.safetensors", {"femo": json.dumps(header)})
    with pytest.raises(ModelFileError, match="'classes'"):
        load_model_file(tmp_path / "other.safetensors")


def test_other_format(model, written, monkeypatch):
    monkeypatch.setattr(model_file, "FORMAT", 2)
    with pytest.raises(ModelFileError, match="has format 1; this version of femo reads format 2"):
        load_model_file(written)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "vgg99"}, r"'vgg99'.*simple_cnn"),
        ({"architecture": "femonet", "options": {}}, r"weights are not those of 'femonet'.*and \d+ more"),
        ({"options": {"wings": 2}}, "no option 'wings'"),
        ({"options": {"widths": [4, 4, 4, 4], "dense": 16}}, r"BatchNorm_4/mean has shape \[8\] instead of \[16\]"),
        ({"image_size": 64}, r"has shape \[36, 8\] instead of"),
        ({"image_size": "large"}, "image_size is 'large'; expected a positive number of pixels"),
        ({"image_size": 0}, "image_size is 0"),
        ({"image_size": True}, "image_size is True"),
        ({"image_size": 30_000}, "an image of 30000 x 30000 pixels and its layers need 3,433 MiB.*FEMO_MAX_MEMORY_MIB"),
        ({"image_size": 10**30}, "cannot be used"),
        ({"options": {"ops": "onednn"}}, "no option 'ops'"),
        ({"options": {"dtype": "object"}}, "option dtype of model 'simple_cnn' is 'object'; expected float32"),
        ({"options": {"dense": True}}, "option dense of model 'simple_cnn' is True; expected an integer"),
        ({"options": {"dense": 0}}, "cannot be used"),
        ({"options": {"dense": 10**12}}, "need .* MiB.*FEMO_MAX_MEMORY_MIB"),
        ({"options": {"dropout": "half"}}, "option dropout of model 'simple_cnn' is 'half'; expected a finite number"),
        ({"options": {"widths": []}}, "expected a list of integers of at least 1"),
        ({"options": {"widths": [8, 0, 8, 8]}}, "expected a list of integers of at least 1"),
        ({"options": {"widths": [8, 8]}}, "cannot be built"),  # against four blocks of convolutions
        ({"options": {"num_classes": 5}}, r"gives float32\[1, 5\] for one image; expected float32\[1, 7\]"),
        ({"architecture": "femonet", "options": {"blocks": 10**6}}, "more than 500 layers; set FEMO_MAX_LAYERS to"),
        (
            {"architecture": "femonet", "options": {"blocks": 0.5}},
            "option blocks of model 'femonet' is 0.5; expected an",
        ),
        ({"classes": (*EMOTIONS[:5], "sad", "sad")}, "class name 'sad' occurs twice"),
        ({"classes": (*EMOTIONS[:6], "a\x1b[31m")}, r"class name 'a\\x1b\[31m': expected"),
        ({"classes": EMOTIONS[:6]}, r"gives float32\[1, 7\] for one image; expected float32\[1, 6\]"),
        ({"std": 0.0}, "std is 0.0; expected a positive number"),
        ({"temperature": -1}, "temperature is -1"),
        ({"mean": "grey"}, "mean is 'grey'"),
    ],
)
def test_of_another_femo(model, tmp_path, monkeypatch, changes, message):
    other = dataclasses.replace(model, **changes)
    path = tmp_path / "other.safetensors"
    with pytest.raises(ModelFileError, match=message):
        save_model_file(path, other)
    assert not list(tmp_path.iterdir())
    write_unchecked(path, other, monkeypatch)
    with pytest.raises(ModelFileError, match=message):
        load_model_file(path)


def test_limits_can_be_raised_and_lowered(model, written, monkeypatch):
    monkeypatch.setenv("FEMO_MAX_LAYERS", "5")
    with pytest.raises(ModelFileError, match="more than 5 layers"):
        load_model_file(written)
    monkeypatch.setenv("FEMO_MAX_LAYERS", "50")
    assert load_model_file(written).architecture == "simple_cnn"
    monkeypatch.setenv("FEMO_MAX_LAYERS", "many")
    with pytest.raises(ModelFileError, match="FEMO_MAX_LAYERS is 'many'; expected a positive integer"):
        load_model_file(written)


def test_weights_larger_than_the_limit_are_not_read(tmp_path, monkeypatch):
    """A sparse file of a terabyte, as far as its header goes."""
    tensors = {"x": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}}
    header = json.dumps({"__metadata__": {"femo": '{"format": 1}'}, **tensors}).encode()
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 2**40)
    with pytest.raises(ModelFileError, match=r"its weights need 1,048,576 MiB, and the limit is 1,024 MiB"):
        load_model_file(path)


def test_a_file_cannot_choose_the_kernel_backend(written, model, tmp_path, monkeypatch):
    """Its options are those of the network: `ops` would have femo compile and load a library."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    options = {**model.options, "ops": "onednn"}
    write_unchecked(tmp_path / "bad.safetensors", dataclasses.replace(model, options=options), monkeypatch)
    with pytest.raises(ModelFileError, match="'simple_cnn' has no option 'ops'; its options are num_classes, widths"):
        load_model_file(tmp_path / "bad.safetensors")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(model_names()),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
SIZES = st.integers(-2, 9) | st.sampled_from([10**6, 2**31, 2**63, 10**400]) | JSON
OPTIONS = st.dictionaries(
    st.sampled_from(["widths", "dense", "dropout", "convolutions", "blocks", "num_classes", "dtype", "ops", "name"]),
    st.lists(SIZES, max_size=5) | SIZES,
    max_size=4,
)


@pytest.fixture(scope="module")
def parts(model, tmp_path_factory) -> tuple[Path, dict, dict]:
    """A path, and the header and arrays of a small model file."""
    path = tmp_path_factory.mktemp("parts") / "model.safetensors"
    save_model_file(path, model, "float16")
    with safe_open(path, framework="np") as file:
        return path, json.loads(file.metadata()["femo"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@hypothesis.settings(deadline=None, max_examples=150, derandomize=True, database=None)
@hypothesis.given(
    changes=st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(LoadedModel)] + ["format", "sha256", "more"]),
        JSON | OPTIONS | SIZES,
        min_size=1,
        max_size=3,
    ),
    options=st.none() | OPTIONS,
    dropped=st.sets(st.integers(0, 30), max_size=2),
)
def test_any_header_is_read_or_refused_in_words(parts, changes, options, dropped):
    """Whatever the header holds, with a checksum that fits: a model that can be used, or a ModelFileError."""
    path, header, tensors = parts
    header = {**header, **changes} | ({} if options is None else {"options": options})
    kept = {name: tensor for index, (name, tensor) in enumerate(tensors.items()) if index not in dropped}
    if "sha256" not in changes:
        header["sha256"] = model_file._digest({k: v for k, v in header.items() if k != "sha256"}, kept)
    other = path.with_name("other.safetensors")
    save_file(kept, other, {"femo": json.dumps(header)})
    try:
        loaded = load_model_file(other)
    except ModelFileError as error:
        assert str(error).startswith(f"{other}: ")
        assert len(str(error)) < 5000
        assert str(error).isprintable()
        return
    logits = jax.eval_shape(logits_function(loaded), np.zeros((1, loaded.image_size, loaded.image_size, 1), np.uint8))
    assert logits.shape == (1, 7)


@hypothesis.settings(deadline=None, max_examples=200, derandomize=True, database=None)
@hypothesis.given(data=st.data())
def test_any_damage_is_found(parts, data):
    """Bytes replaced, removed and inserted anywhere: never another model, never another error."""
    path, contents = parts[0], bytearray(parts[0].read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(contents)))
        contents[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    hypothesis.assume(contents != path.read_bytes())
    other = path.with_name("other.safetensors")
    other.write_bytes(contents)
    with pytest.raises(ModelFileError):
        load_model_file(other)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(model, tmp_path, monkeypatch, value):
    bad, path = with_first_weight(model, value), tmp_path / "bad.safetensors"
    with pytest.raises(ModelFileError, match="params/Dense_0/kernel holds NaN or infinity"):
        save_model_file(path, bad)
    write_unchecked(path, bad, monkeypatch)
    with pytest.raises(ModelFileError, match="params/Dense_0/kernel holds NaN or infinity"):
        load_model_file(path)


def test_weight_too_large_for_float16(model, written):
    large, before = with_first_weight(model, 1e6), written.read_bytes()
    with pytest.raises(ModelFileError, match=r"as float16.*or float32"):
        save_model_file(written, large, "float16")
    assert written.read_bytes() == before
    save_model_file(written, large, "float32")
    assert load_model_file(written).variables["params"]["Dense_0"]["kernel"][0, 0] == 1e6


def test_disk_full_keeps_the_old_file(model, written, monkeypatch):
    before = written.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FemoError, match="No space left"):
        save_model_file(written, model, "float32")
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_needs_the_base_install_alone(written):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'tensorflow_datasets', 'optax', 'orbax', 'matplotlib', 'sklearn', 'kagglehub'):\n"
        "    sys.modules[name] = None\n"
        "from femo_jax.model_file import load_model_file\n"
        f"load_model_file({str(written)!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
