"""TFRecord files of `tf.train.Example` without TensorFlow.

A record is its length (uint64), a checksum of the length, the data, and a checksum of the data, all little-endian. The
checksums are CRC-32C (Castagnoli), rotated by 15 bits plus a constant. The data are protocol buffers of
tensorflow/core/example/example.proto: a map from names to lists of bytes or integers.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np

Features = dict[str, list[int] | list[bytes]]
"""Names and values of an example."""

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = np.uint32(0xA282EAD8)
_TOGETHER = 4096  # records whose checksums are computed at once: 8 MB of PNG images
_SHORTEST = 4  # bytes of a record; those of an example that is not empty are more
_BYTES_LIST, _INT64_LIST = 1, 3  # field numbers of a Feature
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5  # wire types


class DamagedRecordError(ValueError):
    """A file is no TFRecord file of examples, or was cut off or changed."""


def encode_example(features: Mapping[str, Sequence[int] | Sequence[bytes]]) -> bytes:
    """The bytes of an example; integers are from 0 to 2^63 - 1."""
    entries = []
    for name, values in features.items():
        if isinstance(values[0], bytes):
            feature = _field(_BYTES_LIST, b"".join(_field(1, value) for value in values))  # type: ignore[arg-type]
        else:
            feature = _field(_INT64_LIST, _field(1, b"".join(map(_varint, values))))  # type: ignore[arg-type]
        entries.append(_field(1, _field(1, name.encode()) + _field(2, feature)))
    return _field(1, b"".join(entries))


def decode_example(data: bytes) -> Features:
    """The features of an example.

    Raises:
      DamagedRecordError: the bytes are no example, or one with a list of floats.
    """
    features: Features = {}
    try:
        for _, content in _fields(data):
            for _, entry in _fields(content):
                parts = dict(_fields(entry))
                features[parts[1].decode()] = _values(parts.get(2, b""))
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise DamagedRecordError("a record is no tf.train.Example") from error
    return features


def write_records(file: BinaryIO, records: Iterable[bytes]) -> Iterator[None]:
    """Writes records; yields after each."""
    waiting: list[bytes] = []

    def write() -> Iterator[None]:
        lengths = [struct.pack("<Q", len(record)) for record in waiting]
        sums = zip(_checksums(lengths).tolist(), _checksums(waiting).tolist(), strict=True)
        for length, record, (of_length, of_data) in zip(lengths, waiting, sums, strict=True):
            file.write(length + struct.pack("<I", of_length) + record + struct.pack("<I", of_data))
            yield
        waiting.clear()

    for record in records:
        waiting.append(record)
        if len(waiting) == _TOGETHER:
            yield from write()
    yield from write()


def read_records(path: str | os.PathLike[str]) -> list[bytes]:
    """The records of a file.

    Raises:
      OSError: the file cannot be read.
      DamagedRecordError: it was cut off or changed.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        content = file.read()
    lengths, records, sums = [], [], []
    position = 0
    while position < len(content):
        head = content[position : position + 12]
        if len(head) < 12:
            raise DamagedRecordError("a record is cut off")
        length, of_length = struct.unpack("<QI", head)
        end = position + 12 + length
        if end + 4 > len(content):
            raise DamagedRecordError("a record is cut off")
        if length < _SHORTEST:
            raise DamagedRecordError("a record is no tf.train.Example")
        lengths.append(head[:8])
        records.append(content[position + 12 : end])
        sums.append((of_length, *struct.unpack("<I", content[end : end + 4])))
        position = end + 4
    for start in range(0, len(records), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        computed = np.stack([_checksums(lengths[part]), _checksums(records[part])], axis=1)
        if not np.array_equal(computed, np.array(sums[part], np.uint32)):
            raise DamagedRecordError("the checksum of a record differs")
    return records


def _checksums(blocks: Sequence[bytes]) -> np.ndarray:
    """The masked CRC-32C of each block of at least four bytes, `[n] uint32`: all of them together, 16 bits at a time.

    Blocks end at the same place; zeros before them leave a checksum that begins with 0 as it is. That it should begin
    with ones is the same as four inverted bytes at the start of a block.
    """
    order = sorted(range(len(blocks)), key=lambda index: -len(blocks[index]))
    lengths = np.array([len(blocks[index]) for index in order], np.int64)
    whole = int(lengths.max(initial=0) + 1) // 2 * 2
    aligned = np.zeros((len(blocks), whole), np.uint8)
    for row, length, index in zip(aligned, lengths.tolist(), order, strict=True):
        row[whole - length :] = np.frombuffer(blocks[index], np.uint8)
        row[whole - length :][:4] ^= 0xFF
    words = np.ascontiguousarray(aligned.view("<u2").T)
    # So many blocks, of which the longest come first, have begun at each word.
    begun = np.searchsorted(-lengths, 1 - whole + 2 * np.arange(whole // 2), side="right")
    crc = np.zeros(len(blocks), np.uint32)
    for row, count in zip(words, begun.tolist(), strict=True):
        of_row = crc[:count]
        of_row[:] = _TABLE[(of_row ^ row[:count]) & 0xFFFF] ^ (of_row >> 16)
    crc ^= np.uint32(0xFFFFFFFF)
    masked = np.empty_like(crc)
    masked[order] = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + _MASK_DELTA
    return masked


def _table() -> np.ndarray:
    """What 16 bits make of a checksum, `[65536] uint32`."""
    table = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(16):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_TABLE = _table()


def _values(feature: bytes) -> list[int] | list[bytes]:
    """The values of a Feature, which is one list."""
    for number, content in _fields(feature):
        if number == _BYTES_LIST:
            return [value for _, value in _fields(content)]
        if number == _INT64_LIST:
            integers: list[int] = []
            for _, value in _fields(content):  # packed into one field, or one field each
                integers += [value] if isinstance(value, int) else _varints(value)
            return integers
        raise DamagedRecordError("a record has a feature that is neither bytes nor integers")
    return []


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of a message; the content of a varint is an int."""
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            content, position = _read_varint(data, position)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
            if size is None:
                if kind != _LENGTH_DELIMITED:
                    raise DamagedRecordError("a record is no tf.train.Example")
                size, position = _read_varint(data, position)
            content = data[position : position + size]
            position += size
            if position > len(data):
                raise DamagedRecordError("a record is no tf.train.Example")
        yield key >> 3, content  # pyright: ignore[reportReturnType]


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """An integer of seven bits a byte, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7


def _varints(data: bytes) -> list[int]:
    values, position = [], 0
    while position < len(data):
        value, position = _read_varint(data, position)
        values.append(value)
    return values


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(number: int, content: bytes) -> bytes:
    """A field of which the content has a length."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content
