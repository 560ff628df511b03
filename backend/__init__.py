"""The standard backend interface of ONNX: `kernelwright.backend.prepare(model, device).run(inputs)`."""

from __future__ import annotations

from ..compiler.backend import Backend, PreparedModel, is_compatible, prepare, run_model, run_node, supports_device

__all__ = ["Backend", "PreparedModel", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]
