"""The weights inside an ONNX file, found without parsing it.

A model is one protobuf message, and protobuf copies what it parses: a gigabyte of weights would be read, parsed and
copied again before the first node is seen. This walks the wire format instead (fields of the model, the graph and its
initializers), leaves the bytes of large weights where they are in the mapped file, and gives the rest for parsing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_GRAPH = 7  # ModelProto.graph
_INITIALIZER = 5  # GraphProto.initializer
_NAME, _RAW_DATA = 8, 9  # of TensorProto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

LARGE = 4096
"""Bytes from which on a weight stays in the file."""


class WireError(ValueError):
    """The bytes are no protobuf message."""


@dataclass(frozen=True)
class _Field:
    """A field of a message: its number, where it starts with its key, and where its content lies."""

    number: int
    kind: int
    start: int
    begin: int
    end: int


def split(file: np.ndarray) -> tuple[bytes, dict[str, np.ndarray]]:
    """The model without the raw data of large initializers, and that data by tensor name: views of `file`.

    `file` holds the bytes of a model. Raises WireError where they are malformed.
    """
    weights: dict[str, np.ndarray] = {}
    model: list[bytes] = []
    for field in _fields(file, 0, len(file)):
        if field.number == _GRAPH and field.kind == _BYTES:
            model.append(_message(_GRAPH, _graph(file, field, weights)))
        else:
            model.append(file[field.start : field.end].tobytes())
    return b"".join(model), weights


def _graph(file: np.ndarray, graph: _Field, weights: dict[str, np.ndarray]) -> bytes:
    parts: list[bytes] = []
    for field in _fields(file, graph.begin, graph.end):
        large = field.number == _INITIALIZER and field.kind == _BYTES and field.end - field.begin >= LARGE
        if large and (rest := _without_data(file, field, weights)) is not None:
            parts.append(_message(_INITIALIZER, rest))
        else:
            parts.append(file[field.start : field.end].tobytes())
    return b"".join(parts)


def _without_data(file: np.ndarray, tensor: _Field, weights: dict[str, np.ndarray]) -> bytes | None:
    """A tensor without its raw data, which goes to `weights`; None for one that holds its elements otherwise."""
    fields = list(_fields(file, tensor.begin, tensor.end))
    names = [f for f in fields if f.number == _NAME and f.kind == _BYTES]
    data = [f for f in fields if f.number == _RAW_DATA and f.kind == _BYTES]
    if len(names) != 1 or len(data) != 1 or data[0].end - data[0].begin < LARGE:
        return None
    name = file[names[0].begin : names[0].end].tobytes().decode(errors="replace")
    weights[name] = file[data[0].begin : data[0].end]
    return b"".join(file[f.start : f.end].tobytes() for f in fields if f.number != _RAW_DATA)


def _fields(file: np.ndarray, position: int, end: int) -> Iterator[_Field]:
    """The fields of the message between two positions."""
    while position < end:
        start = position
        key, position = _varint(file, position, end)
        kind = key & 7
        if kind == _BYTES:
            length, position = _varint(file, position, end)
            begin, position = position, position + length
        elif kind == _VARINT:
            begin = position
            _, position = _varint(file, position, end)
        elif kind in (_FIXED64, _FIXED32):
            begin, position = position, position + (8 if kind == _FIXED64 else 4)
        else:
            raise WireError(f"wire type {kind}")
        if position > end:
            raise WireError("a field reaches beyond its message")
        yield _Field(key >> 3, kind, start, begin, position)


def _varint(file: np.ndarray, position: int, end: int) -> tuple[int, int]:
    value = 0
    for i in range(10):
        if position >= end:
            raise WireError("a number is cut off")
        byte = int(file[position])
        position += 1
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position
    raise WireError("a number has no end")


def _message(number: int, content: bytes) -> bytes:
    """A field that holds `content`."""
    return _encoded(number << 3 | _BYTES) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
