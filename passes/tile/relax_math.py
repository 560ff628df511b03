"""relax-math: approximate functions where results have fewer digits than the approximation.

In C a quotient is exact to the last bit, and so takes a branch to a subroutine, which also keeps `wgmma` from running
ahead: SiLU behind a product of 64 x 64 elements takes 5 us on an H200, as long as all the rest.
"""

from __future__ import annotations

from ...ir.attributes import OpaqueAttr
from ...ir.core import Operation, OpResult, Value
from ...ir.dialects import kernel
from ...ir.dialects.builtin import Module
from ...ir.target import CudaTarget, Target
from ...ir.types import MemRefType, Scalar, VectorType, f32
from ..base import EXACT, Pass, PassContext

MOST_BITS = 16


class RelaxMath(Pass):
    """Let GPUs approximate exponentials and logistic functions in kernels all of whose results have 16 bits.

    Exponentials of f32 get the flag `afn`; quotients whose divisor is the sum of an exponential and something else
    (sigmoid, SiLU) get `arcp`: a product by the approximate reciprocal. Other quotients stay exact: what follows them
    may round them down.

    Before:
        %1 = "math.exp"(%0) : (f32) -> f32
        %2 = "arith.addf"(%one, %1) : (f32, f32) -> f32
        %3 = "arith.divf"(%x, %2) : (f32, f32) -> f32
    After:
        %1 = "math.exp"(%0) {fastmath = #arith.fastmath<afn>} : (f32) -> f32
        %2 = "arith.addf"(%one, %1) : (f32, f32) -> f32
        %3 = "arith.divf"(%x, %2) {fastmath = #arith.fastmath<arcp>} : (f32, f32) -> f32
    """

    name = "relax-math"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        if not isinstance(Target.of(module), CudaTarget):
            return
        calls = [op for op in module.main.walk() if isinstance(op, kernel.Call)]
        for func in {call.callee.name: call for call in calls}.values():
            if func.kernel.is_tiled and _is_narrow(func):
                _relax(func.kernel, context)


def _is_narrow(call: kernel.Call) -> bool:
    """Whether all results of a call are floats of few bits."""
    types = [argument.type for argument in call.kernel.block.arguments[len(call.operands) :]]
    return all(isinstance(t, MemRefType) and t.dtype.is_float and t.dtype.bits <= MOST_BITS for t in types)


def _relax(func: kernel.Func, context: PassContext) -> None:
    for op in func.walk():
        if len(op.results) != 1 or _scalar(op.results[0]) != f32 or "fastmath" in op.attributes:
            continue
        flag = "afn" if op.name == "math.exp" else "arcp" if _is_logistic(op) else None
        if flag is not None:
            op.attributes["fastmath"] = OpaqueAttr("arith.fastmath", flag)
            context.count("relaxed")


def _is_logistic(op: Operation) -> bool:
    """Whether an op divides by the sum of an exponential and something else."""
    divisor = _maker(op.operands[1]) if op.name == "arith.divf" else None
    if divisor is None or divisor.name != "arith.addf":
        return False
    return any(maker is not None and maker.name == "math.exp" for maker in map(_maker, divisor.operands))


def _maker(value: Value) -> Operation | None:
    """What makes a value, layouts of register tiles apart."""
    while isinstance(value, OpResult) and value.op.name == "tile.convert_layout":
        value = value.op.operands[0]
    return value.op if isinstance(value, OpResult) else None


def _scalar(value: Value) -> Scalar | None:
    type = value.type.dtype if isinstance(value.type, VectorType) else value.type
    return type if isinstance(type, Scalar) else None
