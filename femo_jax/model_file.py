"""One portable file a model: safetensors weights, with everything that is needed to run them in the header.

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
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from femo_jax.emotions import EMOTIONS, check_class_names
from femo_jax.errors import ConfigError, ModelFileError
from femo_jax.files import replacing
from femo_jax.models import Limits, Outline, check_options, create_model, outline
from femo_jax.preprocess import FER2013_MEAN, FER2013_STD, IMAGE_SIZE, normalize

FORMAT = 1
"""Version of the header, increased when older versions of femo cannot read it."""

_KEY = "femo"
_LENGTH_BYTES = 8  # a safetensors file begins with the header's length, little endian
_MAX_HEADER = 16 * 2**20
_STORED = ("F16", "F32")


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A trained network and what is needed to use it.

    Attributes:
      architecture: a name of `femo_jax.models.create_model`.
      options: its options, as JSON values.
      variables: `{"params": ..., "batch_stats": ...}`, nested dicts of float32 arrays.
      mean: mean of the training pixels in 0..1, subtracted from an image.
      std: their standard deviation, by which the image is divided.
      image_size: height and width of an image, in pixels.
      classes: class names in the order of the logits.
      training: a summary of its training (data, epochs, accuracy, ...), as JSON values.
      temperature: divisor of the logits that calibrates the softmax.
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
    """Return the network as a pure function, to be jitted by the caller.

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


def prediction_digest(loaded: LoadedModel) -> str:
    """SHA-256, in hexadecimal, of all that a model's predictions follow from: everything but `training`."""
    header = {field.name: getattr(loaded, field.name) for field in dataclasses.fields(loaded)}
    del header["variables"], header["training"]
    tensors = {name: np.asarray(value) for name, value in flatten_dict(dict(loaded.variables), sep="/").items()}
    return _digest({**header, "options": dict(loaded.options)}, tensors)


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
        class names are not.
      FemoError: the file cannot be written.
    """
    tensors = _tensors(loaded, dtype)
    where = f"{path}: not written"
    _check(where, loaded, tensors, _limits(where))
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
    """Read a file of `save_model_file`; its variables are numpy arrays, all float32.

    A file may come from anywhere: its options are those of the network alone, and sizes are bounded (see
    `femo_jax.models.Limits`) before anything of that size is allocated.

    Raises:
      ModelFileError: there is no such file; it is truncated, damaged or not of femo; its network or weights are
        not known to this version of femo; its class names are not some; the network is larger than the limits.
    """
    path = Path(path)
    limits = _limits(str(path))
    _check_length(path)
    try:
        with safe_open(path, framework="np") as file:
            header = _read_header(path, file.metadata())
            tensors = _read_tensors(path, file, limits)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from error

    if header.pop("sha256", None) != _digest(header, tensors):
        raise _damaged(path, "the checksum does not match")
    del header["format"]
    try:
        loaded = LoadedModel(**{**header, "classes": tuple(header["classes"])}, variables={})
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: the header is not of a femo model ({error}). Export the model again.") from error
    _check(str(path), loaded, tensors, limits)
    variables = unflatten_dict({name: value.astype(np.float32) for name, value in tensors.items()}, sep="/")
    # JSON writes a float such as 1.0 as an integer where another program has written the file.
    numbers = {name: float(getattr(loaded, name)) for name in ("mean", "std", "temperature")}
    return dataclasses.replace(loaded, variables=variables, **numbers)


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"{path}: truncated or damaged ({why}). Copy or download it again, or repeat `femo export`.")


def _limits(where: str) -> Limits:
    try:
        return Limits.from_environment()
    except ConfigError as error:
        raise ModelFileError(f"{where}: {error}") from error


def _check_length(path: Path) -> None:
    """Refuse a header that cannot be there before anything trusts its length."""
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file. Make one with `femo export WORKDIR -o {path.name}`.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror}).") from error
    if header > _MAX_HEADER:
        raise ModelFileError(
            f"{path}: not a model file of femo, or a damaged one: it does not begin as a safetensors file does."
            " Make one with `femo export`."
        )
    if header > size - _LENGTH_BYTES:
        raise _damaged(path, f"the header has {header:,} bytes, the file {size:,} bytes")


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
        raise ModelFileError(
            f"{path}: has format {_short(version)}; this version of femo reads format {FORMAT}. Install a matching"
            " version."
        )
    return header


def _read_tensors(path: Path, file: Any, limits: Limits) -> dict[str, np.ndarray]:
    """The arrays of an open file, of the types and within the size that femo takes."""
    names = list(file.keys())
    slices = [file.get_slice(name) for name in names]
    foreign = sorted({each.get_dtype() for each in slices} - set(_STORED))
    if foreign:
        raise ModelFileError(f"{path}: weights of type {', '.join(foreign)}; femo stores {', '.join(_STORED)}.")
    try:
        limits.check_memory(4 * sum(math.prod(each.get_shape()) for each in slices), "its weights")
    except ConfigError as error:
        raise ModelFileError(f"{path}: {error}") from error
    return {name: file.get_tensor(name) for name in names}


def _check(where: str, loaded: LoadedModel, tensors: Mapping[str, np.ndarray], limits: Limits) -> None:
    """Hold a model against this version of femo: header, class names, and the weights against the architecture."""
    _check_header(where, loaded)
    expected = _outline(where, loaded, limits)
    if expected.logits.shape != (1, len(loaded.classes)) or expected.logits.dtype != np.float32:
        raise ModelFileError(
            f"{where}: the network gives {expected.logits.dtype}{list(expected.logits.shape)} for one image; expected"
            f" float32[1, {len(loaded.classes)}], a logit for each class."
        )
    actual = {name: tensor.shape for name, tensor in tensors.items()}
    wrong = [f"{name} is missing" for name in sorted(expected.shapes.keys() - actual.keys())]
    wrong += [f"{_short(name)} is unknown" for name in sorted(actual.keys() - expected.shapes.keys())]
    wrong += [
        f"{name} has shape {list(actual[name])} instead of {list(expected.shapes[name])}"
        for name in sorted(expected.shapes.keys() & actual.keys())
        if actual[name] != expected.shapes[name]
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelFileError(
            f"{where}: the weights are not those of {loaded.architecture!r} with options {_short(loaded.options)}:"
            f" {'; '.join(wrong[:3])}{more}."
        )
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ModelFileError(
                f"{where}: {name} holds NaN or infinity as {tensor.dtype}. Choose a checkpoint from before the run"
                " diverged, or float32 if the weights are merely too large for float16."
            )


def _check_header(where: str, loaded: LoadedModel) -> None:
    """Check types and values of everything but the weights."""
    for name, kind, expected in (
        ("architecture", str, "the name of a network"),
        ("options", Mapping, "a JSON object"),
        ("training", Mapping, "a JSON object"),
    ):
        if not isinstance(getattr(loaded, name), kind):
            raise ModelFileError(f"{where}: {name} is {_short(getattr(loaded, name))}; expected {expected}.")
    try:
        check_class_names(loaded.classes)
    except ConfigError as error:
        raise ModelFileError(f"{where}: {error}. Export the model again.") from error
    for name in ("mean", "std", "temperature"):
        value = getattr(loaded, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
        if not is_number or (name != "mean" and value <= 0):
            positive = "" if name == "mean" else "positive "
            raise ModelFileError(f"{where}: {name} is {_short(value)}; expected a {positive}number.")
    size = loaded.image_size
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ModelFileError(f"{where}: image_size is {_short(size)}; expected a positive number of pixels.")


def _outline(where: str, loaded: LoadedModel, limits: Limits) -> Outline:
    """The shapes of the weights and of the output, found without allocating any."""
    try:
        check_options(loaded.architecture, loaded.options)
        model = create_model(loaded.architecture, **loaded.options)
        return outline(model, loaded.image_size, limits)
    except ConfigError as error:
        raise ModelFileError(
            f"{where}: the network {_short(loaded.architecture)} with options {_short(loaded.options)} and images of"
            f" {_short(loaded.image_size)} pixels cannot be used: {str(error)[:1000]}"
        ) from error


def _short(value: Any) -> str:
    """A value of a file for a message: escaped, and not longer than a line."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _digest(header: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the header (without the digest itself) and of each weight's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()
