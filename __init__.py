"""Kernelwright: an open inference compiler for ONNX models.

This is the public face. A name is imported when it is first used, so that importing the package costs nothing and a
plan runs without the compiler's dependencies.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compiler.driver import compile
    from .ir.core import Value
    from .ir.declare import Op
    from .ir.diagnostics import CompileError
    from .ir.parser import parse
    from .passes.base import Pass, PassContext
    from .passes.rewrite import PatternPass, Rewriter, canonicalization, pattern
    from .runtime.engine import Engine, load
    from .runtime.errors import EngineError

__version__ = "0.1.0"
__all__ = [
    "CompileError",
    "Engine",
    "EngineError",
    "Op",
    "Pass",
    "PassContext",
    "PatternPass",
    "Rewriter",
    "Value",
    "canonicalization",
    "compile",
    "load",
    "parse",
    "pattern",
]

_HOMES = {
    "CompileError": "ir.diagnostics",
    "Engine": "runtime.engine",
    "EngineError": "runtime.errors",
    "Op": "ir.declare",
    "Pass": "passes.base",
    "PassContext": "passes.base",
    "PatternPass": "passes.rewrite",
    "Rewriter": "passes.rewrite",
    "Value": "ir.core",
    "canonicalization": "passes.rewrite",
    "compile": "compiler.driver",
    "load": "runtime.engine",
    "parse": "ir.parser",
    "pattern": "passes.rewrite",
}


def _resolve(name: str) -> Any:  # Any: each name has the type declared above
    if name == "backend":  # a package that needs ONNX
        return import_module(".backend", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # or type checkers would take any misspelt name
    __getattr__ = _resolve
