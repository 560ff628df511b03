"""ONNX files as modules of the `onnx` dialect."""

from __future__ import annotations

from .importer import import_model

__all__ = ["import_model"]
