"""IR on disk: the text in `NAME.mlir`, the weights it names in `NAME.safetensors` beside it.

The weights are memory-mapped when they are read, so opening a dump of a large model costs no more than its text.
Elements that safetensors has no type for (4-bit integers) are stored as bytes; the type in the text says what they are.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ..ir.attributes import DenseResourceAttr
from ..ir.core import Operation
from ..ir.diagnostics import CompileError, Diagnostic, InternalError
from ..ir.dialects.builtin import Module
from ..ir.parser import parse
from ..ir.verify import verify
from ..runtime.dtypes import safetensors_code

_ALIGNMENT = 64


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file, or of standard input for `-`. Raises CompileError for what is not a readable text."""
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text()
    except UnicodeDecodeError:
        raise CompileError(f"'{path}' is not IR: it is not a text file") from None
    except OSError as error:
        raise CompileError(f"cannot read '{path}': {(error.strerror or str(error)).lower()}") from None


def read_module(path: str | os.PathLike[str], text: str | None = None, check: bool = True) -> Module:
    """The module of an IR file with its weights, verified unless `check` is off. Raises CompileError."""
    module = parse(read_text(path) if text is None else text, str(path))
    weights = Path(path).with_suffix(".safetensors")
    if weights.exists():
        attach_weights(module, read_weights(weights), weights)
    if check:
        verify(module)
    return module


def write_module(path: str | os.PathLike[str], module: Module, header: str = "") -> None:
    """Write a module and, where it names any, its weights; each file is replaced in one step."""
    path = Path(path)
    weights = dict(resources(module))
    if weights:
        write_weights(path.with_suffix(".safetensors"), weights)
    write_atomically(path, [f"{header}{module}\n".encode()])


def resources(module: Operation) -> Iterator[tuple[str, np.ndarray]]:
    """The weights of a module by name, each once; those read without their elements are left out.

    Raises InternalError where two different weights have one name.
    """
    seen: dict[str, np.ndarray] = {}
    for op in module.walk():
        for attribute in op.attributes.values():
            if not isinstance(attribute, DenseResourceAttr) or attribute.array is None:
                continue
            known = seen.setdefault(attribute.name, attribute.array)
            if known is not attribute.array and not np.array_equal(_bytes(known), _bytes(attribute.array)):
                raise InternalError(Diagnostic(f"two weights are called '{attribute.name}'", op.location))
    yield from seen.items()


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def attach_weights(module: Operation, weights: Mapping[str, np.ndarray], file: Path) -> None:
    """Give every `dense_resource` of the module its elements. Raises CompileError for a missing or misfit weight."""
    for op in module.walk():
        for key, attribute in op.attributes.items():
            if isinstance(attribute, DenseResourceAttr) and attribute.array is None:
                op.attributes[key] = _filled(attribute, weights, file)


def _filled(attribute: DenseResourceAttr, weights: Mapping[str, np.ndarray], file: Path) -> DenseResourceAttr:
    stored = weights.get(attribute.name)
    if stored is None:
        raise CompileError(f"{file} has no weight '{attribute.name}', which the IR names")
    dtype, shape = attribute.type.scalar.numpy, tuple(int(str(dim)) for dim in attribute.type.dims)
    if stored.dtype != dtype and stored.dtype == np.uint8:
        stored = stored.reshape(-1).view(dtype)
    if stored.dtype != dtype or stored.size != int(np.prod(shape)):
        found = f"{stored.dtype} {list(stored.shape)}"
        raise CompileError(f"{file}: weight '{attribute.name}' must be {attribute.type}, found {found}")
    return DenseResourceAttr(attribute.name, attribute.type, stored.reshape(shape))


def write_weights(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a safetensors file."""
    header: dict[str, object] = {}
    chunks: list[memoryview] = []
    offset = 0
    for name, array in sorted(weights.items()):
        code = safetensors_code(array.dtype)
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        shape = list(array.shape) if code else [flat.size]
        header[name] = {"dtype": code or "U8", "shape": shape, "data_offsets": [offset, offset + flat.size]}
        chunks.append(flat.data)
        offset += flat.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    write_atomically(path, [len(text).to_bytes(8, "little"), text, *chunks])


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, read-only views of the mapped file; types NumPy lacks come as bytes."""
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
        return {name: _view(content, 8 + length, entry) for name, entry in header.items()}
    except OSError as error:
        raise CompileError(f"cannot read '{path}': {(error.strerror or str(error)).lower()}") from None
    except (ValueError, KeyError, TypeError, IndexError):
        message = f"'{path}' is not a whole safetensors file"
        raise CompileError(Diagnostic(message, notes=("write the IR again with --compile-to",))) from None


_NUMPY = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BOOL": np.bool_,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip


def _view(content: mmap.mmap, base: int, entry: dict[str, list[int] | str]) -> np.ndarray:
    start, end = (int(v) for v in entry["data_offsets"])
    data = np.frombuffer(content, np.uint8, end - start, base + start)
    dtype = _NUMPY.get(str(entry["dtype"]))
    return data if dtype is None else data.view(dtype).reshape([int(v) for v in entry["shape"]])


def check_folder(path: Path) -> None:
    """Raise CompileError unless a file can be made at `path`: better before a long compilation than after it."""
    if not path.parent.is_dir():
        raise CompileError(f"cannot write '{path}': there is no folder '{path.parent}'")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise CompileError(f"cannot write '{path}': {'it is a folder' if path.is_dir() else 'permission denied'}")


def write_atomically(path: Path, chunks: list[bytes | memoryview]) -> None:
    """Write a file in one step: either all of it is at `path` afterwards, or what was there before."""
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            for chunk in chunks:
                file.write(chunk)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CompileError(f"cannot write '{path}': {(error.strerror or str(error)).lower()}") from None
        raise
