"""Plan files: a safetensors file whose metadata hold the plan.

    8 bytes   length of the header, little-endian
    header    JSON: {"__metadata__": {format, format_version, sha256, target, provenance, plan, ir},
              TENSOR: {dtype, shape, data_offsets}, ...}
    data      the tensors, without holes; the data begin at a multiple of 64 bytes

The hash is a tree: SHA-256 of the header (with zeros for the hash itself) followed by the SHA-256 of each CHUNK bytes
of data, so that large plans are checked by several threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import mmap
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .dtypes import dtype_name, from_safetensors, safetensors_code, unpacked
from .encoding import decode, encode
from .errors import NotAPlanError, PlanCorruptedError, PlanError, PlanTruncatedError, PlanVersionError, PlanWriteError
from .plan import FORMAT_VERSION, Plan

FORMAT = "kernelwright.plan"
CHUNK = 4 << 20
DATA_ALIGNMENT = 64

_PREFIX = b'{"__metadata__":{"format":"' + FORMAT.encode() + b'",'
_HASH_KEY = b'"sha256":"'
_NO_HASH = "0" * 64


def write_plan(path: str | os.PathLike[str], plan: Plan, tensors: Mapping[str, np.ndarray]) -> None:
    """Write a plan file in one step: either all of it is at `path` afterwards, or what was there before.

    Raises PlanWriteError when the system refuses (no space, no permission), PlanError for a tensor that
    the format cannot hold.
    """
    path = Path(path).resolve()  # through a link: the file it points to is replaced, not the link
    if path.exists() and not path.is_file():
        raise PlanWriteError(f"cannot write plan '{path}': not a regular file")
    arrays = _ordered({name: np.ascontiguousarray(unpacked(array)) for name, array in tensors.items()}, tensors)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            _write_content(file, _header(plan, arrays), arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # it was never made, or is already in its place
            temporary.unlink()
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise PlanWriteError(
                f"cannot write plan '{path}': {reason.lower()}", "a plan that was there before is unchanged"
            ) from None
        raise
    _sync_folder(path.parent)


def read_plan(path: str | os.PathLike[str]) -> tuple[Plan, dict[str, np.ndarray]]:
    """The plan of a file and its tensors, as read-only arrays over the mapped file.

    Everything is checked except the target. Raises NotAPlanError, PlanTruncatedError, PlanVersionError,
    PlanCorruptedError or PlanError.
    """
    path = Path(path)
    content = _map(path)
    length = _header_length(path, content)
    header, metadata = _parse_header(path, bytes(content[8 : 8 + length]))
    version = metadata.get("format_version", "none")
    if version != str(FORMAT_VERSION):
        raise PlanVersionError(
            f"'{path}' is a plan of format version {version}, this runtime reads version {FORMAT_VERSION}",
            "compile the model again with this version, or run the plan with the one that wrote it",
        )
    data = memoryview(content)[8 + length :]
    expected = _data_bytes(path, header)
    if len(data) < expected:
        raise PlanTruncatedError(
            f"'{path}' is truncated: expected {8 + length + expected} bytes, found {len(content)}",
            "copy the plan again",
        )
    if len(data) > expected or _tree_hash(bytes(content[8 : 8 + length]), data) != metadata.get("sha256"):
        raise _corrupted(path, "its content does not match its hash")
    return _plan_of(metadata), _tensors(path, header, data)


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise NotAPlanError(f"'{path}' is not a plan: the file is empty")
            # populate: the hash reads every page anyway, and one call is cheaper than a fault for each
            return mmap.mmap(
                file.fileno(), 0, flags=mmap.MAP_PRIVATE | getattr(mmap, "MAP_POPULATE", 0), prot=mmap.PROT_READ
            )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PlanError(f"cannot open plan '{path}': {reason}") from None


def _header_length(path: Path, content: mmap.mmap) -> int:
    if content[8 : 8 + len(_PREFIX)] != _PREFIX[: max(0, len(content) - 8)] or len(content) <= 8:
        raise NotAPlanError(
            f"'{path}' is not a plan", "a plan is what 'kernelwright compile' writes; a model must be compiled first"
        )
    length = int.from_bytes(content[:8], "little")
    if 8 + length > len(content):
        raise PlanTruncatedError(
            f"'{path}' is truncated: its header ends at byte {8 + length}, the file at {len(content)}",
            "copy the plan again",
        )
    return length


def _parse_header(path: Path, text: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        header = json.loads(text)
        return header, header.pop("__metadata__")
    except (ValueError, KeyError, AttributeError):
        raise _corrupted(path, "its header is not valid JSON") from None


def _data_bytes(path: Path, header: dict[str, Any]) -> int:
    try:
        return max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (TypeError, KeyError, IndexError, ValueError):
        raise _corrupted(path, "its list of tensors cannot be read") from None


def _plan_of(metadata: dict[str, str]) -> Plan:
    plan = decode(Plan, json.loads(metadata["plan"]))
    return dataclasses.replace(plan, ir=metadata.get("ir", ""))


def _tensors(path: Path, header: dict[str, Any], data: memoryview) -> dict[str, np.ndarray]:
    tensors = {}
    for name, entry in header.items():
        dtype = from_safetensors(entry["dtype"])
        if dtype is None:
            raise PlanError(f"'{path}': tensor '{name}' has the unknown type '{entry['dtype']}'")
        start, shape = entry["data_offsets"][0], tuple(entry["shape"])
        array = np.frombuffer(data, np.uint8, math.prod(shape) * dtype.itemsize, start)
        tensors[name] = array.view(dtype).reshape(shape)
    return tensors


def _corrupted(path: Path, reason: str) -> PlanCorruptedError:
    return PlanCorruptedError(
        f"plan '{path}' is corrupted: {reason}", "copy the plan again, or compile the model again"
    )


def _tree_hash(header: bytes, data: memoryview) -> str:
    at = header.find(_HASH_KEY) + len(_HASH_KEY)
    blank = header[:at] + _NO_HASH.encode() + header[at + len(_NO_HASH) :]
    starts = range(0, len(data), CHUNK)
    digests: list[bytes] = [b""] * len(starts)
    remaining = iter(range(len(starts)))

    def work() -> None:
        for i in remaining:  # a range iterator hands each index out once, to whichever thread asks
            digests[i] = hashlib.sha256(data[starts[i] : starts[i] + CHUNK]).digest()

    workers = [threading.Thread(target=work) for _ in range(min(_processors(), len(starts), 8) - 1)]
    for worker in workers:
        worker.start()
    work()
    for worker in workers:
        worker.join()
    return hashlib.sha256(blank + b"".join(digests)).hexdigest()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ordered(arrays: dict[str, np.ndarray], tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors of whole cache lines first, so that these are aligned; then the others, widest elements first."""
    shaped = {name: array.reshape(tensors[name].shape) for name, array in arrays.items()}  # 0-d arrays became 1-d
    return dict(sorted(shaped.items(), key=lambda item: (item[1].nbytes % DATA_ALIGNMENT != 0, -item[1].itemsize)))


def _header(plan: Plan, arrays: Mapping[str, np.ndarray]) -> bytes:
    """The header with zeros for the hash, padded so that the data are aligned."""
    program = encode(dataclasses.replace(plan, ir=""))  # apart, so that any safetensors tool shows it as it is
    header: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "sha256": _NO_HASH,
            "target": plan.target.name,
            "provenance": json.dumps(plan.provenance),
            "plan": json.dumps(program, separators=(",", ":")),
            "ir": plan.ir,
        }
    }
    offset = 0
    for name, array in arrays.items():
        code = safetensors_code(array.dtype)
        if code is None:
            raise PlanError(f"tensor '{name}': a plan cannot hold elements of type {dtype_name(array.dtype)}")
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b" " * (-(8 + len(text)) % DATA_ALIGNMENT)


def _write_content(file: Any, header: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    """Stream header and data, hashing on the way, and put the hash into its place at the end."""
    file.write(len(header).to_bytes(8, "little"))
    file.write(header)
    digests = []
    for piece in _chunks(arrays):
        digests.append(hashlib.sha256(piece).digest())
        file.write(piece)
    root = hashlib.sha256(header + b"".join(digests)).hexdigest()
    file.seek(8 + header.find(_HASH_KEY) + len(_HASH_KEY))
    file.write(root.encode())


def _chunks(arrays: Mapping[str, np.ndarray]) -> Iterator[memoryview | bytes]:
    """The concatenated data of the arrays in pieces of CHUNK bytes, the last one shorter."""
    pending = bytearray()
    for array in arrays.values():
        data = array.reshape(-1).view(np.uint8).data
        if pending:
            taken = min(CHUNK - len(pending), len(data))
            pending += data[:taken]
            data = data[taken:]
            if len(pending) == CHUNK:
                yield bytes(pending)
                pending.clear()
        while len(data) >= CHUNK:
            yield data[:CHUNK]
            data = data[CHUNK:]
        pending += data
    if pending:
        yield bytes(pending)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a crash, where the system lets us."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
