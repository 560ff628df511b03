"""Evaluate ops whose operands are all known."""

from __future__ import annotations

import numpy as np

from ...ir.attributes import Attribute, DenseAttr, DenseResourceAttr
from ...ir.core import Operation
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.symbols import Expr
from ...ir.types import TensorType
from ..base import EXACT, Pass, PassContext
from ..rewrite import GreedyDriver, Pattern, Rewriter
from .match import constant

_INLINE = 16
"""Constants of up to this many elements stand in the text; larger ones are resources."""

_REPEATING = (nn.BroadcastTo, nn.Tile, nn.Iota, nn.Pad, nn.OneHot)


class FoldConstants(Pass):
    """Replace pure ops of constants by their value.

        %0 = "nn.constant"() {value = dense<[1.0, 4.0]> : tensor<2xf32>} : () -> tensor<2xf32>
        %1 = "nn.sqrt"(%0) : (tensor<2xf32>) -> tensor<2xf32>

    becomes

        %1 = "nn.constant"() {value = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>

    A value may not take more than `max-bytes`, unless its operands took as much; what only repeats elements stays an op
    from `max-repeated-bytes` on, since reading a few numbers again is cheaper than reading many from memory.
    """

    name = "fold-constants"
    tolerance = EXACT
    max_bytes: int = 1 << 20
    max_repeated_bytes: int = 1 << 10

    def run(self, module: Module, context: PassContext) -> None:
        folder = _Folder(self, _resource_names(module))
        GreedyDriver([Pattern((nn.NnOp,), folder.fold_constant_op)], context).run(module)


class _Folder:
    def __init__(self, options: FoldConstants, names: set[str]) -> None:
        self.options = options
        self.names = names

    def fold_constant_op(self, op: nn.NnOp, rw: Rewriter) -> None:
        """f(constants) = constant"""
        if isinstance(op, nn.Constant) or op.regions or not _is_static(op):
            return
        operands = [constant(value) for value in op.operands]
        known = [array for array in operands if array is not None]
        if len(known) < len(operands) or not self._affordable(op, known, rw):
            return
        results = op.interpret(known, {})
        constants = [rw.insert(nn.Constant(self._attribute(op, result))) for result in results]
        rw.replace(op, [new.result for new in constants])

    def _affordable(self, op: nn.NnOp, operands: list[np.ndarray], rw: Rewriter) -> bool:
        size = sum(_bytes(result.type) for result in op.results)
        limit = self.options.max_repeated_bytes if isinstance(op, _REPEATING) else self.options.max_bytes
        if size <= max(limit, sum(array.nbytes for array in operands)):
            return True
        rw.remark(op, f"not folded: its value takes {size} bytes, more than the limit of {limit}")
        return False

    def _attribute(self, op: nn.NnOp, array: np.ndarray) -> Attribute:
        array = np.ascontiguousarray(array).reshape(array.shape)
        if array.size <= _INLINE:
            return DenseAttr(array)
        type = nn.Constant(DenseAttr(array)).result.type
        assert isinstance(type, TensorType)
        return DenseResourceAttr(self._name(op), type, array)

    def _name(self, op: nn.NnOp) -> str:
        """A name no other resource has: that of the first weight the value is made of, and the op."""
        sources = (producer.value for v in op.operands if isinstance(producer := v.owner, nn.Constant))
        base = next((s.name for s in sources if isinstance(s, DenseResourceAttr)), "constant")
        name = stem = f"{base}.{op.name.partition('.')[2]}"
        for suffix in range(1, len(self.names) + 2):
            if name not in self.names:
                break
            name = f"{stem}_{suffix}"
        self.names.add(name)
        return name


def _resource_names(module: Operation) -> set[str]:
    attributes = (attribute for op in module.walk() for attribute in op.attributes.values())
    return {attribute.name for attribute in attributes if isinstance(attribute, DenseResourceAttr)}


def _is_static(op: nn.NnOp) -> bool:
    types = [value.type for value in (*op.operands, *op.results)]
    if not all(isinstance(type, TensorType) and type.is_static for type in types):
        return False
    # A start or an end that is a symbol says nothing before run time.
    return not any(_is_symbolic(getattr(op, field.name)) for field in op.definition.attributes)


def _is_symbolic(value: object) -> bool:
    return isinstance(value, Expr) or (isinstance(value, tuple) and any(isinstance(v, Expr) for v in value))


def _bytes(type: object) -> int:
    assert isinstance(type, TensorType)
    size = type.size
    assert isinstance(size, int)
    return size * type.scalar.bytes
