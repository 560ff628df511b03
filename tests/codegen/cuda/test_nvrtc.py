"""NVRTC: what a user sees when it is missing or refuses a source."""

from __future__ import annotations

import pytest

from kernelwright.codegen.cuda import nvrtc
from kernelwright.codegen.cuda.source import Source
from kernelwright.ir.core import Operation
from kernelwright.ir.diagnostics import CompileError, InternalError
from kernelwright.ir.location import Location

GOOD = 'extern "C" __global__ void good(float* x) { x[0] = 1.f; }\n'


def source(text: str, ops: tuple[Operation | None, ...] = ()) -> Source:
    return Source("kernel", text, ops, 32, 0, cooperative=False)


def test_equal_sources_are_compiled_once() -> None:
    told: list[tuple[int, int]] = []
    first, second = nvrtc.compile_sources([source(GOOD)] * 2, "sm_80", lambda *done: told.append(done))
    assert told == [(1, 1)]
    assert first is second
    assert first.cubin.startswith(b"\x7fELF")
    assert b".target sm_80" in first.ptx


def test_errors_name_the_op() -> None:
    op = Operation("tile.load", location=Location(("/layer1/Add",)))
    with pytest.raises(InternalError) as caught:
        nvrtc.compile_sources([source('extern "C" __global__ void k() {\n  nonsense;\n}\n', (None, op, None))], "sm_80")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message.startswith("'tile.load' became CUDA C that does not compile: ")
    assert diagnostic.location.names == ("/layer1/Add",)
    assert diagnostic.notes[0] == "kernel.cu:2: nonsense;"


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(nvrtc, "import_module", refuse)
    with pytest.raises(CompileError, match=r"needs NVRTC, which is not installed(.|\n)*kernelwright\[cuda\]"):
        nvrtc.compile_sources([source(GOOD)], "sm_80")
