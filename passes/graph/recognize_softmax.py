"""Find softmax that is spelled out."""

from __future__ import annotations

from ...ir.core import Value
from ...ir.dialects import nn
from ..rewrite import PatternPass, Rewriter, pattern
from .match import producer


@pattern(nn.Div)
def softmax(op: nn.Div, rw: Rewriter) -> None:
    """exp(x - max(x)) / sum(exp(x - max(x))) = softmax(x)"""
    exp, total = producer(op.a, nn.Exp), _along_one_axis(op.b, "add")
    if exp is None or total is None or total.x is not op.a:
        return
    x = exp.x
    shifted = producer(x, nn.Sub)
    if shifted is not None:
        top = _along_one_axis(shifted.b, "max")
        # Softmax is the same after any shift along its axis; only the largest element is known to be one.
        if top is not None and top.x is shifted.a and top.axes == total.axes:
            x = shifted.a
    rw.replace(op, nn.Softmax(x, total.axes[0]), merging=[exp, total])


def _along_one_axis(value: Value, kind: str) -> nn.Reduce | None:
    op = producer(value, nn.Reduce)
    return op if op is not None and op.kind == kind and op.keep_dims and len(op.axes) == 1 else None


@pattern(nn.Log)
def log_softmax(op: nn.Log, rw: Rewriter) -> None:
    """log(softmax(x)) = log_softmax(x)"""
    if (inner := producer(op.x, nn.Softmax)) is not None:
        rw.replace(op, nn.LogSoftmax(inner.x, inner.axis), merging=[inner])


class RecognizeSoftmax(PatternPass):
    """Replace the exponentials of x divided by their sum along an axis by `nn.softmax`.

        %0 = "nn.reduce"(%x) {kind = "max", axes = array<i64: 1>, keep_dims = true} : …
        %1 = "nn.sub"(%x, %0) : …
        %2 = "nn.exp"(%1) : …
        %3 = "nn.reduce"(%2) {kind = "add", axes = array<i64: 1>, keep_dims = true} : …
        %y = "nn.div"(%2, %3) : …

    becomes

        %y = "nn.softmax"(%x) {axis = 1 : i64} : (tensor<2x9xf32>) -> tensor<2x9xf32>
    """

    name = "recognize-softmax"
    patterns = (softmax, log_softmax)
