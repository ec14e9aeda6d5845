"""ONNX models of `femo export --format onnx`: what they carry beside the graph, and how they run without JAX.

The metadata of the file hold an entry `femo`, a JSON object with the fields of `OnnxModel` and a SHA-256 of the graph,
and an entry `card`, the model's card as Markdown. They are read here without the package `onnx`, since neither ONNX
Runtime nor OpenCV needs it, and OpenCV reads no metadata.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from femo_jax.emotions import check_class_names
from femo_jax.errors import ConfigError, ModelFileError

FORMAT = 1
"""Version of the entry `femo`, increased when older versions of femo cannot read it."""

OPSETS = range(13, 22)
"""Versions of the ONNX operators that femo runs; it writes the first."""

KEY, CARD = "femo", "card"
"""Names of the entries in the file's metadata."""

INPUTS = ("uint8", "float32")
"""What the graph takes: pixels in 0..255, or pixels in 0..1 less `mean`, divided by `std`."""

_LARGEST = 2**30  # bytes; the shipped models have 11 million
# Numbers of the fields in onnx.proto: of ModelProto, OperatorSetIdProto and StringStringEntryProto.
_IR_VERSION, _GRAPH, _OPSET_IMPORT, _METADATA = 1, 7, 8, 14
_DOMAIN, _VERSION = 1, 2
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


@dataclasses.dataclass(frozen=True)
class OnnxModel:
    """A trained network as an ONNX file.

    Attributes:
      path: of the file.
      contents: the bytes of the file.
      architecture: name of the network.
      options: its options, as JSON values.
      input: one of `INPUTS`.
      image_size: height and width of a face, in pixels.
      classes: class names in the order of the probabilities.
      mean: mean of the training pixels in 0..1.
      std: their standard deviation.
      temperature: divisor of the logits, which the graph applies.
      quantized: whether weights and activations are 8-bit integers.
      training: a summary of its training, as JSON values.
      version: of femo, which wrote the file.
      card: the model's card, Markdown; may be empty.
    """

    path: Path
    contents: bytes = dataclasses.field(repr=False)
    architecture: str
    options: Mapping[str, Any]
    input: str
    image_size: int
    classes: tuple[str, ...]
    mean: float
    std: float
    temperature: float
    quantized: bool
    training: Mapping[str, Any]
    version: str
    card: str = ""


def is_onnx(path: Path) -> bool:
    """Whether a path is one of an ONNX model, by its suffix."""
    return path.suffix.lower() == ".onnx"


def metadata_of(model: OnnxModel, graph: bytes) -> dict[str, str]:
    """The entries of the metadata of a file whose graph has these bytes."""
    header = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    header = {name: value for name, value in header.items() if name not in ("path", "contents", "card")}
    header |= {
        "format": FORMAT,
        "options": dict(model.options),
        "training": dict(model.training),
        "sha256": hashlib.sha256(graph).hexdigest(),
    }
    return {KEY: json.dumps(header, sort_keys=True, allow_nan=False), CARD: model.card}


def load_onnx_model(path: Path) -> OnnxModel:
    """Read an ONNX model that femo wrote.

    Raises:
      ModelFileError: there is no such file; it is damaged, not ONNX, of another opset or not of femo; its metadata are
        missing or not what they should be.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file. Make one with `femo export MODEL -o {path.name}`.")
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise ModelFileError(f"{path}: has {size:,} bytes; femo reads ONNX models of up to {_LARGEST:,}.")
        contents = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror}).") from error
    graph, opset, metadata = _parts(path, contents)
    if opset not in OPSETS:
        raise ModelFileError(
            f"{path}: is of ONNX opset {opset}; femo runs opset {OPSETS.start} to {OPSETS.stop - 1}. Export the model"
            " again with `femo export --format onnx`."
        )
    if KEY not in metadata:
        raise ModelFileError(
            f"{path}: an ONNX model without the metadata entry {KEY!r}, which holds class names and normalisation."
            " femo runs ONNX models of `femo export --format onnx` only."
        )
    header = _header(path, metadata[KEY])
    if header.pop("sha256", None) != hashlib.sha256(graph).hexdigest():
        raise _damaged(path, "the checksum does not match")
    del header["format"]
    try:
        if not isinstance(header["classes"], list):
            raise TypeError(f"classes is {repr(header['classes'])[:200]}; expected a list of names")
        model = OnnxModel(
            path, contents, **{**header, "classes": tuple(header["classes"])}, card=metadata.get(CARD, "")
        )
    except (KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path}: the metadata entry {KEY!r} is not that of a femo model ({error}). Export the model again."
        ) from error
    _check(path, model)
    return model


def _header(path: Path, text: str) -> dict[str, Any]:
    try:
        header = json.loads(text)
        version = header["format"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: the metadata entry {KEY!r} cannot be read ({error}). Export the model again."
        ) from error
    if version != FORMAT:
        raise ModelFileError(
            f"{path}: has format {str(version)[:20]!r}; this version of femo reads format {FORMAT}. Install a matching"
            " version."
        )
    return header


def _check(path: Path, model: OnnxModel) -> None:
    def refuse(name: str, expected: str) -> NoReturn:
        raise ModelFileError(
            f"{path}: {name} in its metadata is {repr(getattr(model, name))[:200]}; expected {expected}. Export the"
            " model again."
        )

    try:
        check_class_names(model.classes)
    except ConfigError as error:
        raise ModelFileError(f"{path}: {error}. Export the model again.") from error
    for name, kind, expected in (
        ("architecture", str, "the name of a network"),
        ("options", dict, "a JSON object"),
        ("training", dict, "a JSON object"),
        ("version", str, "a version of femo"),
        ("quantized", bool, "true or false"),
    ):
        if not isinstance(getattr(model, name), kind):
            refuse(name, expected)
    if model.input not in INPUTS:
        refuse("input", " or ".join(INPUTS))
    for name in ("mean", "std", "temperature"):
        value = getattr(model, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
        if not is_number or (name != "mean" and value <= 0):
            refuse(name, f"a {'' if name == 'mean' else 'positive '}number")
    size = model.image_size
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 1024:
        refuse("image_size", "a number of pixels")


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(
        f"{path}: not an ONNX model, or a truncated or damaged one ({why}). Copy it again, or repeat `femo export`."
    )


def _parts(path: Path, contents: bytes) -> tuple[bytes, int, dict[str, str]]:
    """The graph's bytes, the version of the standard operators, and the metadata of a file."""
    graph, opset, metadata = b"", 0, {}
    try:
        for field, value in _fields(contents):
            if field == _GRAPH and isinstance(value, bytes):
                graph = value
            elif field == _OPSET_IMPORT and isinstance(value, bytes):
                operators = dict(_fields(value))
                if not operators.get(_DOMAIN):
                    opset = operators.get(_VERSION, 0)
            elif field == _METADATA and isinstance(value, bytes):
                entry = dict(_fields(value))
                metadata[_text(entry.get(_ENTRY_KEY, b""))] = _text(entry.get(_ENTRY_VALUE, b""))
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not graph:
        raise _damaged(path, "it holds no graph")
    return graph, opset if isinstance(opset, int) else 0, metadata


def _text(value: bytes | int) -> str:
    if isinstance(value, int):
        raise ValueError("text was expected in its metadata")
    return value.decode("utf-8")


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a Protocol Buffers message, in their order: number and value.

    Source: https://protobuf.dev/programming-guides/encoding

    Raises:
      ValueError: the bytes are no such message.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, place = _varint(message, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"byte {place:,} begins no field")
        if place + length > len(message):
            raise ValueError(f"a field of {length:,} bytes at byte {place:,} of {len(message):,}")
        yield tag >> 3, message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """The integer at a place, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError(f"byte {place:,} ends no number")
