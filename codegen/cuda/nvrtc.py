"""Compiling CUDA C to a cubin with NVRTC, which needs neither a toolkit nor a GPU."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ...ir.diagnostics import CompileError, Diagnostic, InternalError
from ...ir.location import UNKNOWN
from .source import Source


@dataclass(frozen=True)
class Binary:
    """What NVRTC made of a source: machine code of one architecture, and PTX."""

    cubin: bytes
    ptx: bytes


def compile_sources(
    sources: Sequence[Source], arch: str, progress: Callable[[int, int], None] | None = None
) -> list[Binary]:
    """Compile all sources for `arch` ("sm_90a"), equal ones once, on all cores.

    `progress` is told how many of how many distinct sources are done. Raises CompileError where the `cuda` extra is
    not installed, InternalError, naming the op, for CUDA C that does not compile.
    """
    nvrtc = _bindings()
    distinct = {source.text: source for source in sources}
    done: dict[str, Binary] = {}
    # NVRTC lets go of the interpreter's lock and compiles in as many threads as call it.
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for text, binary in zip(distinct, pool.map(lambda s: _compile(nvrtc, s, arch), distinct.values()), strict=True):
            done[text] = binary
            if progress is not None:
                progress(len(done), len(distinct))
    return [done[source.text] for source in sources]


def version() -> str:
    """NVRTC's version, "13.0"."""
    nvrtc = _bindings()
    _, major, minor = nvrtc.nvrtcVersion()
    return f"{major}.{minor}"


def _bindings() -> Any:
    try:
        nvrtc: Any = import_module("cuda.bindings.nvrtc")

        nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError) as error:
        raise CompileError(
            Diagnostic(
                f"compiling for CUDA needs NVRTC, which is not installed: {error}",
                notes=("install it with: pip install 'kernelwright[cuda]'",),
            )
        ) from None
    return nvrtc


def _compile(nvrtc: Any, source: Source, arch: str) -> Binary:
    status, program = nvrtc.nvrtcCreateProgram(source.text.encode(), f"{source.name}.cu".encode(), 0, [], [])
    _check(nvrtc, status)
    try:
        options = [f"--gpu-architecture={arch}".encode(), b"--std=c++17", b"--device-as-default-execution-space"]
        (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
        if status == nvrtc.nvrtcResult.NVRTC_ERROR_COMPILATION:
            raise _error(source, _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, nvrtc, program).decode())
        _check(nvrtc, status)
        return Binary(
            _text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, nvrtc, program),
            _text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, nvrtc, program),
        )
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _text(size: Any, get: Any, nvrtc: Any, program: Any) -> bytes:
    status, count = size(program)
    _check(nvrtc, status)
    data = b" " * count
    (status,) = get(program, data)
    _check(nvrtc, status)
    return data.rstrip(b"\0")


def _check(nvrtc: Any, status: Any) -> None:
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise CompileError(f"NVRTC failed: {nvrtc.nvrtcGetErrorString(status)[1].decode()}")


def _error(source: Source, log: str) -> InternalError:
    """NVRTC's errors as ours: the op whose line is wrong, and the line."""
    diagnostics = []
    lines = source.text.splitlines()
    for match in re.finditer(r"\.cu\((\d+)\): (?:catastrophic )?error: (.*)", log):
        number = int(match[1]) - 1
        op = source.ops[number] if number < len(source.ops) else None
        notes = [f"{source.name}.cu:{number + 1}: {lines[number].strip()}"]
        if op is not None:
            notes.append(f"which spells {str(op).splitlines()[0]}")
        what = f"'{op.name}'" if op is not None else f"kernel '{source.name}'"
        message = f"{what} became CUDA C that does not compile: {match[2]}"
        diagnostics.append(Diagnostic(message, op.location if op else UNKNOWN, notes=tuple(notes)))
    return InternalError(*(diagnostics or [f"kernel '{source.name}' does not compile: {log.strip()}"]))
