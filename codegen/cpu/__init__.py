"""LLVM IR for CPUs: tile programs to text, text to an object, a module in the plan phase to a plan."""

from __future__ import annotations

from .generate import compile_object, generate, kernel_source, pool_object

__all__ = ["compile_object", "generate", "kernel_source", "pool_object"]
