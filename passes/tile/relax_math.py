"""relax-math: approximate functions where results have fewer digits than the approximation."""

from __future__ import annotations

from ...ir.attributes import OpaqueAttr
from ...ir.core import Value
from ...ir.dialects import kernel
from ...ir.dialects.builtin import Module
from ...ir.target import CudaTarget, Target
from ...ir.types import MemRefType, Scalar, VectorType, f32
from ..base import EXACT, Pass, PassContext

MOST_BITS = 16
RELAXED = ("math.exp", "math.erf")


class RelaxMath(Pass):
    """Let GPUs approximate exponentials and error functions of f32 in kernels all of whose results have 16 bits.

    They get the flag `afn`, by which a GPU takes its instruction for powers of two, which errs by a few units in the
    last place of f32, growing with the argument; the error function then errs by up to 3e-7, and 6e-5 of itself.

    Before:
        %1 = "math.exp"(%0) : (f32) -> f32
    After:
        %1 = "math.exp"(%0) {fastmath = #arith.fastmath<afn>} : (f32) -> f32
    """

    name = "relax-math"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        if not isinstance(Target.of(module), CudaTarget):
            return
        calls = [op for op in module.main.walk() if isinstance(op, kernel.Call)]
        for call in {call.callee.name: call for call in calls}.values():
            if call.kernel.is_tiled and _is_narrow(call):
                _relax(call.kernel, context)


def _is_narrow(call: kernel.Call) -> bool:
    """Whether all results of a call are floats of few bits."""
    types = [argument.type for argument in call.kernel.block.arguments[len(call.operands) :]]
    return all(isinstance(t, MemRefType) and t.dtype.is_float and t.dtype.bits <= MOST_BITS for t in types)


def _relax(func: kernel.Func, context: PassContext) -> None:
    for op in func.walk():
        if op.name in RELAXED and _scalar(op.results[0]) == f32 and "fastmath" not in op.attributes:
            op.attributes["fastmath"] = OpaqueAttr("arith.fastmath", "afn")
            context.count("relaxed")


def _scalar(value: Value) -> Scalar | None:
    type = value.type.dtype if isinstance(value.type, VectorType) else value.type
    return type if isinstance(type, Scalar) else None
