"""One portable file a model: safetensors weights, and in the header all that is needed to run them.

The header holds a single metadata entry, `femo`, a JSON object with the fields of `LoadedModel` and a SHA-256 over
them and the weights, so that a flipped bit is found before it becomes a wrong answer. One entry, since safetensors
writes several in random order: the same model gives the same bytes.
"""

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.errors import FlaxError
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError, ModelFileError
from femo_jax.files import replacing
from femo_jax.models import create_model
from femo_jax.preprocess import FER2013_MEAN, FER2013_STD, IMAGE_SIZE, normalize

FORMAT = 1
"""Version of the header; raised when an older femo could no longer read it."""

_KEY = "femo"
_LENGTH_BYTES = 8  # a safetensors file begins with the header's length, little endian
_MAX_HEADER = 16 * 2**20
_STORED = ("F16", "F32")


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A trained network and what is needed to use it.

    Attributes:
      architecture: a name of `femo_jax.models.create_model`.
      options: that model's options, as JSON has them.
      variables: `{"params": ..., "batch_stats": ...}`, nested dicts of float32 arrays.
      mean: mean of the training pixels in 0..1, taken off a picture.
      std: their standard deviation, by which it is then divided.
      image_size: height and width of a picture, in pixels.
      classes: labels in the order of the logits.
      training: a summary of how it was made (data, epochs, accuracy, ...), as JSON has it.
      temperature: by which the logits are divided, so that the softmax is calibrated.
    """

    architecture: str
    options: Mapping[str, Any]
    variables: Mapping[str, Any]
    mean: float = FER2013_MEAN
    std: float = FER2013_STD
    image_size: int = IMAGE_SIZE
    classes: tuple[str, ...] = EMOTIONS
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    temperature: float = 1.0


def logits_function(loaded: LoadedModel) -> jax.tree_util.Partial:
    """The network as a pure function, to be jitted by the caller.

    Returns:
      A function of images `[batch, image_size, image_size, 1]`, uint8 in 0..255 or float in 0..1, that gives
      logits `[batch, classes] float32`, divided by the temperature. It is a pytree with the weights as leaves:
      a jitted function that takes it as an argument does not compile the weights into its code.
    """
    model = create_model(loaded.architecture, **loaded.options)
    return jax.tree_util.Partial(
        partial(_logits, model, loaded.mean, loaded.std, loaded.temperature), dict(loaded.variables)
    )


def _logits(
    model: nn.Module, mean: float, std: float, temperature: float, variables: Mapping[str, Any], images: jax.Array
) -> jax.Array:
    return model.apply(variables, normalize(images, mean, std), train=False) / temperature  # pyright: ignore


def class_probabilities(logits: jax.Array) -> jax.Array:
    """The softmax of logits `[batch, classes] float32`; a row of NaN where a logit is not finite.

    XLA's exponential function on a CPU clamps its argument, which may turn NaN into harmless-looking probabilities.
    """
    finite = jnp.isfinite(logits).all(axis=-1, keepdims=True)
    return jnp.where(finite, jax.nn.softmax(logits), jnp.nan)


def save_model_file(
    path: str | os.PathLike[str], loaded: LoadedModel, dtype: Literal["float16", "float32"] = "float16"
) -> int:
    """Write a model as one file, as a whole or not at all; it is read back before it takes its place.

    Args:
      path: of the file, usually with the suffix `.safetensors`.
      loaded: the model.
      dtype: of the stored parameters. Batch statistics are always float32: they are few, and a variance may
        well lie outside float16.

    Returns:
      The size of the file in bytes.

    Raises:
      ModelFileError: the weights are not finite, too large for `dtype`, or not those of the architecture; the
        class order is not femo's.
      FemoError: the file cannot be written.
    """
    tensors = _tensors(loaded, dtype)
    _check(f"{path}: not written", loaded, tensors)
    header = {field.name: getattr(loaded, field.name) for field in dataclasses.fields(loaded)}
    header = {"format": FORMAT, **header, "options": dict(loaded.options), "training": dict(loaded.training)}
    del header["variables"]
    header["sha256"] = _digest(header, tensors)
    contents = save(tensors, {_KEY: json.dumps(header, sort_keys=True, allow_nan=False)})
    with replacing(path) as beside:
        beside.write_bytes(contents)
        load_model_file(beside)
    return len(contents)


def rounded(loaded: LoadedModel, dtype: Literal["float16", "float32"]) -> LoadedModel:
    """The model as it comes back from a file with parameters of `dtype`."""
    tensors = {name: value.astype(np.float32) for name, value in _tensors(loaded, dtype).items()}
    return dataclasses.replace(loaded, variables=unflatten_dict(tensors, sep="/"))


def _tensors(loaded: LoadedModel, dtype: Literal["float16", "float32"]) -> dict[str, np.ndarray]:
    """The arrays by name, as a file has them."""
    tensors = {}
    for name, value in flatten_dict(dict(loaded.variables), sep="/").items():
        value = np.asarray(value, np.float32)
        if name.startswith("params/"):
            with np.errstate(over="ignore"):  # _check refuses the infinities with a message of its own
                value = value.astype(dtype)
        tensors[name] = value
    return tensors


def load_model_file(path: str | os.PathLike[str]) -> LoadedModel:
    """Reads a file of `save_model_file`; its variables are numpy arrays, all float32.

    Raises:
      ModelFileError: there is no such file; it is cut off, damaged or not of femo; its network, weights or
        class order are not what this femo has.
    """
    path = Path(path)
    _check_length(path)
    try:
        with safe_open(path, framework="np") as file:
            header = _read_header(path, file.metadata())
            names = list(file.keys())
            foreign = sorted({file.get_slice(name).get_dtype() for name in names} - set(_STORED))
            if foreign:
                raise ModelFileError(f"{path}: weights of type {', '.join(foreign)}; femo stores {', '.join(_STORED)}.")
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from error

    if header.pop("sha256", None) != _digest(header, tensors):
        raise _damaged(path, "the checksum does not match")
    variables = unflatten_dict({name: value.astype(np.float32) for name, value in tensors.items()}, sep="/")
    del header["format"]
    try:
        loaded = LoadedModel(**{**header, "classes": tuple(header["classes"])}, variables=variables)
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: the header is not of a femo model ({error}). Export the model again.") from error
    _check(str(path), loaded, tensors)
    return loaded


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"{path}: cut off or damaged ({why}). Copy or download it again, or repeat `femo export`.")


def _check_length(path: Path) -> None:
    """Refuses a header that cannot be there before anything trusts its length."""
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file. Make one with `femo export WORKDIR -o {path.name}`.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror}).") from error
    room = min(size - _LENGTH_BYTES, _MAX_HEADER)
    if header > room:
        raise _damaged(path, f"a header of {header:,} bytes is announced, the file has {size:,} bytes")


def _read_header(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    try:
        header = json.loads((metadata or {})[_KEY])
        version = header["format"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: not a model file of femo, or a damaged one: the safetensors header has no readable entry"
            f" {_KEY!r}. Make one with `femo export`."
        ) from error
    if version != FORMAT:
        raise ModelFileError(f"{path}: has format {version}, this femo reads {FORMAT}. Install a matching femo.")
    return header


def _check(where: str, loaded: LoadedModel, tensors: Mapping[str, np.ndarray]) -> None:
    """Holds a model against this femo: class order, normalisation, and the weights against the architecture."""
    if tuple(loaded.classes) != EMOTIONS:
        raise ModelFileError(
            f"{where}: the classes are {', '.join(map(str, loaded.classes))}; this femo has {', '.join(EMOTIONS)},"
            " in this order. Export the model with this femo."
        )
    for name in ("mean", "std", "temperature"):
        value = getattr(loaded, name)
        if not isinstance(value, int | float) or not math.isfinite(value) or (name != "mean" and value <= 0):
            raise ModelFileError(
                f"{where}: {name} is {value!r}, expected a {'' if name == 'mean' else 'positive '}number."
            )
    expected = _expected_shapes(where, loaded)
    actual = {name: tensor.shape for name, tensor in tensors.items()}
    wrong = [f"{name} is missing" for name in sorted(expected.keys() - actual.keys())]
    wrong += [f"{name} is not known" for name in sorted(actual.keys() - expected.keys())]
    wrong += [
        f"{name} has shape {list(actual[name])} instead of {list(expected[name])}"
        for name in sorted(expected.keys() & actual.keys())
        if actual[name] != expected[name]
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelFileError(
            f"{where}: the weights are not those of {loaded.architecture!r} with options {loaded.options}:"
            f" {'; '.join(wrong[:3])}{more}."
        )
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ModelFileError(
                f"{where}: {name} holds NaN or infinity as {tensor.dtype}. Choose a checkpoint from before the run"
                " diverged, or float32 if the weights only are too large for float16."
            )


def _expected_shapes(where: str, loaded: LoadedModel) -> dict[str, tuple[int, ...]]:
    """The shape of each weight by name, found without allocating any."""
    images = jax.ShapeDtypeStruct((1, loaded.image_size, loaded.image_size, 1), np.float32)
    try:
        model = create_model(loaded.architecture, **loaded.options)
        # The key is made within, where it is traced only: compiling what makes it takes longer than all the rest.
        variables = jax.eval_shape(lambda images: model.init(jax.random.key(0), images, train=False), images)
    except (ConfigError, FlaxError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{where}: the network {loaded.architecture!r} with options {loaded.options} cannot be built: {error}"
        ) from error
    return {name: value.shape for name, value in cast(Mapping[str, Any], flatten_dict(variables, sep="/")).items()}


def _digest(header: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the header (without the digest itself) and of each weight's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()
