"""CUDA: a module in the plan phase becomes CUDA C, cubins and the runtime's plan."""

from __future__ import annotations

from .generate import generate, sources

__all__ = ["generate", "sources"]
