"""One or more small examples of every `nn` op, on awkward shapes, with the arrays of their operands."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kernelwright.ir import types
from kernelwright.ir.attributes import UnitAttr
from kernelwright.ir.core import Block, Value
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.symbols import symbol
from kernelwright.ir.types import TensorType

# Attributes are passed as plain strings here, which the checker would not take for the literals they are.
nn: Any = dialect
Build = Callable[..., dialect.NnOp]


@dataclass
class Case:
    """`build` makes the op from the operands' values; an operand is an array, a shape (random floats) or None."""

    name: str
    build: Build
    operands: Sequence[Any]
    sizes: dict[str, int] = field(default_factory=dict)
    types: Sequence[TensorType | None] = ()

    def __str__(self) -> str:
        return self.name

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        return [
            operand if isinstance(operand, np.ndarray) else rng.standard_normal(operand).astype(np.float32)
            for operand in self.operands
            if operand is not None
        ]

    def op(self, arrays: Sequence[np.ndarray]) -> dialect.NnOp:
        """The op on block arguments that have the arrays' types, or those of `types` where they are given."""
        block = Block()
        given = iter(arrays)
        values: list[Value | None] = []
        for position, operand in enumerate(self.operands):
            if operand is None:
                values.append(None)
                continue
            array = next(given)
            told = self.types[position] if position < len(self.types) else None
            values.append(block.add_argument(told or TensorType(array.shape, types.scalar_of(array.dtype))))
        op = self.build(*values)
        block.append(op)
        return op


def tensor(*shape: Any, dtype: types.Scalar = types.f32) -> TensorType:
    return TensorType(shape, dtype)


def ints(*values: int, dtype: Any = np.int64) -> np.ndarray:
    return np.array(values, dtype)


def pool(**changes: Any) -> dict[str, Any]:
    return {"kernel": (3, 2), "strides": (2, 1), "pads": (1, 0, 0, 1), "dilations": (1, 2)} | changes


def conv(**changes: Any) -> dict[str, Any]:
    return {"strides": (2, 1), "pads": (1, 0, 2, 1), "dilations": (1, 2)} | changes


def codes(dtype: types.Scalar, count: int | None = None) -> np.ndarray:
    """All numbers of a float of a byte or less, or the first `count`."""
    return np.arange(count or 1 << dtype.bits, dtype=np.uint8).view(dtype.numpy)


B = symbol("b")
SMALL_FLOATS = ("f8E4M3FN", "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "f8E8M0FNU", "f4E2M1FN")
UNIT = UnitAttr()
EDGES = np.array([0, -0.0, 464, 465, -1e9, 3e38, 61439, 61441, 240, 248, 249, np.inf, -np.inf, np.nan], np.float32)
FLOATS = np.linspace(-4, 4, 77, dtype=np.float32).reshape(7, 11)
INSIDE_ONE = np.linspace(-0.99, 0.99, 35, dtype=np.float32).reshape(5, 7)
POSITIVE = np.geomspace(1e-3, 1e3, 35, dtype=np.float32).reshape(5, 7)
SPECIAL = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan], np.float32)
SIGNED = ints(-7, -3, -1, 0, 1, 2, 5)
BOOLS = np.array([True, False, True])

UNARY = (
    "Abs",
    "Neg",
    "Exp",
    "Floor",
    "Ceil",
    "Round",
    "Sin",
    "Cos",
    "Tan",
    "Atan",
    "Tanh",
    "Erf",
    "Sign",
    "Sinh",
    "Cosh",
    "Asinh",
    "Relu",
    "Sigmoid",
    "Silu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Celu",
    "Softplus",
    "Softsign",
    "Mish",
    "Gelu",
    "Identity",
    "IsNan",
    "IsInf",
)
BINARY = ["Add", "Sub", "Mul", "Div", "Fmod", "Mod", "Min", "Max", "Atan2", "Eq", "Ne", "Lt", "Le", "Gt", "Ge"]

CASES = [
    *(Case(name, getattr(nn, name), [FLOATS]) for name in UNARY),
    *(
        Case(f"{name}-special", getattr(nn, name), [SPECIAL])
        for name in ["Abs", "Relu", "Sign", "IsNan", "IsInf", "Sigmoid"]
    ),
    *(Case(name, getattr(nn, name), [INSIDE_ONE]) for name in ("Asin", "Acos", "Atanh")),
    *(Case(name, getattr(nn, name), [POSITIVE]) for name in ("Log", "Sqrt", "Rsqrt", "Reciprocal")),
    Case("Acosh", nn.Acosh, [1 + POSITIVE]),
    Case("Gelu-tanh", lambda x: nn.Gelu(x, "tanh"), [FLOATS]),
    Case("IsInf-positive", lambda x: nn.IsInf(x, negative=False), [SPECIAL]),
    Case("IsInf-none", lambda x: nn.IsInf(x, False, False), [SPECIAL]),
    *(Case(f"{name}-int", getattr(nn, name), [SIGNED]) for name in ("Abs", "Neg", "Sign", "Not", "Relu")),
    Case("Not-bool", nn.Not, [BOOLS]),
    Case("Not-unsigned", nn.Not, [ints(0, 7, 255, dtype=np.uint8)]),
    Case("Sign-unsigned", nn.Sign, [ints(0, 7, 255, dtype=np.uint8)]),
    *(
        Case(f"Cast-{to}", lambda x, to=to: nn.Cast(x, types.SCALARS[to]), [FLOATS])
        for to in ("f64", "f16", "bf16", *SMALL_FLOATS, "i1", "i8", "i64")
    ),
    *(
        Case(f"Cast-unsaturated-{to}", lambda x, to=to: nn.Cast(x, types.SCALARS[to], UNIT), [EDGES])
        for to in SMALL_FLOATS
    ),
    *(Case(f"Cast-from-{to}", lambda x: nn.Cast(x, types.f32), [codes(types.SCALARS[to])]) for to in SMALL_FLOATS),
    *(
        Case(f"BitCast-{to}", lambda x, to=to: nn.BitCast(x, types.SCALARS[to]), [FLOATS.astype(source)])
        for source, to in (("f4", "i32"), ("f8", "i64"), ("f2", "ui16"), ("i4", "f32"), ("u1", "f8E5M2"))
    ),
    Case("BitCast-from-f8", lambda x: nn.BitCast(x, types.ui8), [codes(types.SCALARS["f8E4M3FN"], 126)]),
    Case("Cast-bool", lambda x: nn.Cast(x, types.f32), [BOOLS]),
    *(Case(name, getattr(nn, name), [(7, 1, 5), (3, 1)]) for name in BINARY),
    *(
        Case(f"{name}-int", getattr(nn, name), [SIGNED[:, None], SIGNED[SIGNED != 0]])
        for name in ("Div", "Fmod", "Mod")
    ),
    Case("Mod-unsigned", nn.Mod, [ints(7, 200, dtype=np.uint8), ints(4, 7, dtype=np.uint8)]),
    Case("Div-scalar", nn.Div, [(), (2, 0, 3)]),
    Case("Pow", nn.Pow, [POSITIVE, FLOATS[0, :7]]),
    Case("Pow-int", nn.Pow, [SIGNED, np.array(3)]),
    *(Case(name, getattr(nn, name), [SIGNED, SIGNED[::-1].copy()]) for name in ("And", "Or", "Xor")),
    *(Case(f"{name}-bool", getattr(nn, name), [BOOLS, BOOLS[::-1].copy()]) for name in ("And", "Or", "Xor")),
    Case("ShiftLeft", nn.ShiftLeft, [ints(1, 2, 3, dtype=np.uint8), ints(1, 2, 6, dtype=np.uint8)]),
    Case("ShiftRight", nn.ShiftRight, [ints(255, 2, 64, dtype=np.uint8), ints(1, 2, 6, dtype=np.uint8)]),
    Case("Prelu", nn.Prelu, [(3, 5, 7), (5, 1)]),
    Case("Where", nn.Where, [BOOLS, (5, 3), ()]),
    Case("Clip", nn.Clip, [FLOATS, np.array(-1, np.float32), np.array(2, np.float32)]),
    Case("Clip-low", nn.Clip, [FLOATS, np.array(-1, np.float32), None]),
    Case("Clip-high", nn.Clip, [FLOATS, None, np.array(2, np.float32)]),
    # Constants, sizes
    Case("Iota", lambda: nn.Iota(1, 5, result_types=[tensor(2, B, dtype=types.i32)]), [], {"b": 3}),
    Case("Size", lambda: nn.Size(B * 2 + 1), [], {"b": 3}),
    Case("DimOf", lambda x: nn.DimOf(x, 1), [(3, 5)], {"b": 5}, [tensor(3, B)]),
    Case("ShapeOf", nn.ShapeOf, [(3, 5, 1)], {"b": 5}, [tensor(3, B, 1)]),
    Case("ShapeOf-scalar", nn.ShapeOf, [()]),
    # Views
    Case("Reshape-split", lambda x: nn.Reshape(x, result_types=[tensor(3, 2, 2, 5)]), [(3, 4, 5)]),
    Case(
        "Reshape-merge",
        lambda x: nn.Reshape(x, result_types=[tensor(B * 4, 5)]),
        [(3, 4, 5)],
        {"b": 3},
        [tensor(B, 4, 5)],
    ),
    Case("Reshape-mix", lambda x: nn.Reshape(x, result_types=[tensor(4, 1, 9, 5)]), [(6, 1, 2, 3, 5)]),
    Case("Reshape-ones", lambda x: nn.Reshape(x, result_types=[tensor(1, 5, 1, 1)]), [(5, 1)]),
    Case("Reshape-scalar", lambda x: nn.Reshape(x, result_types=[tensor(1, 1)]), [()]),
    Case("Reshape-to-scalar", lambda x: nn.Reshape(x, result_types=[tensor()]), [(1, 1)]),
    Case("Reshape-empty", lambda x: nn.Reshape(x, result_types=[tensor(0, 7)]), [(3, 0)]),
    Case("Transpose", lambda x: nn.Transpose(x, (2, 0, 1)), [(3, 5, 2)]),
    Case("BroadcastTo", lambda x: nn.BroadcastTo(x, result_types=[tensor(2, B, 5)]), [(1, 5)], {"b": 3}),
    Case("Slice", lambda x: nn.Slice(x, (1, 6), (5, -1), (3, -2)), [(6, 7)]),
    Case("Slice-symbolic", lambda x: nn.Slice(x, (B, 0), (B + 2, 7), (1, 1)), [(6, 7)], {"b": 3}),
    Case("Slice-empty", lambda x: nn.Slice(x, (2, 0), (2, 7), (1, 1)), [(6, 7)]),
    Case("Flip", lambda x: nn.Flip(x, (0, 2)), [(3, 2, 5)]),
    Case("Tile", lambda x: nn.Tile(x, (2, 1, 3)), [(3, 5, 1)]),
    Case("Pad", lambda x: nn.Pad(x, (1, 0), (0, B), "constant", -1.5), [(3, 5)], {"b": 2}),
    *(
        Case(f"Pad-{mode}", lambda x, mode=mode: nn.Pad(x, (2, 0), (1, 3), mode), [(3, 5)])
        for mode in ("edge", "reflect", "wrap")
    ),
    Case("Concat", lambda *x: nn.Concat(x, 1), [(2, 3), (2, 0), (2, 5)]),
    Case("Concat-one", lambda *x: nn.Concat(x, 0), [(2, 3)]),
    Case("DynamicSlice", lambda x, at: nn.DynamicSlice(x, at, result_types=[tensor(2, 3)]), [(5, 7), ints(9, 2)]),
    # Contractions
    Case("MatMul", nn.MatMul, [(3, 7), (7, 5)]),
    Case("MatMul-batched", lambda a, b: nn.MatMul(a, b, True, True), [(2, 1, 7, 3), (5, 11, 7)]),
    Case(
        "MatMul-int",
        lambda a, b: nn.MatMul(a, b, to=types.i32),
        [np.int8(np.eye(5, 3) * 100), np.uint8(np.ones((3, 2)) * 200)],
    ),
    Case("MatMul-empty", nn.MatMul, [(3, 0), (0, 5)]),
    Case("Conv", lambda x, w, b: nn.Conv(x, w, **conv(), bias=b), [(2, 3, 7, 5), (4, 3, 3, 2), (4,)]),
    Case("Conv-grouped", lambda x, w: nn.Conv(x, w, **conv(group=2)), [(1, 4, 7, 6), (6, 2, 3, 2)]),
    Case("Conv-depthwise", lambda x, w: nn.Conv(x, w, (1,), (1, 1), (1,), group=5), [(2, 5, 7), (5, 1, 3)]),
    Case("Conv-pointwise", lambda x, w: nn.Conv(x, w, (1, 1), (0,) * 4, (1, 1)), [(2, 3, 2, 5), (7, 3, 1, 1)]),
    Case(
        "ConvTranspose",
        lambda x, w, b: nn.ConvTranspose(x, w, (3, 2), (1, 0, 1, 1), (1, 2), b, 2, output_pads=(1, 0)),
        [(2, 4, 5, 3), (4, 3, 3, 2), (6,)],
    ),
    Case("Attention", nn.Attention, [(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6), None]),
    Case("Attention-mask", nn.Attention, [(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6), np.arange(7) < 4]),
    Case("Attention-grouped", nn.Attention, [(2, 6, 5, 4), (2, 2, 7, 4), (2, 2, 7, 3), None]),
    Case(
        "Attention-causal",
        lambda *o: nn.Attention(*o, causal=True, offset=B, scale=0.3),
        [(1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4), (3, 5)],
        {"b": 2},
    ),
    # Reductions
    *(
        Case(f"Reduce-{kind}", lambda x, kind=kind: nn.Reduce(x, kind, (2, 0)), [(3, 5, 7)])
        for kind in ("add", "mul", "max", "min", "mean")
    ),
    Case("Reduce-keep", lambda x: nn.Reduce(x, "add", (1,), True), [(3, 5, 7)]),
    Case("Reduce-none", lambda x: nn.Reduce(x, "max", ()), [(3, 5)]),
    Case("Reduce-empty", lambda x: nn.Reduce(x, "max", (1,)), [(3, 0)]),
    Case("Reduce-int", lambda x: nn.Reduce(x, "mul", (0,)), [SIGNED[SIGNED != 0]]),
    Case("Reduce-and", lambda x: nn.Reduce(x, "and", (0,)), [BOOLS]),
    Case("Reduce-or", lambda x: nn.Reduce(x, "or", (0,)), [SIGNED]),
    *(
        Case(
            f"{name}-{last}-{keep}",
            lambda x, name=name, last=last, keep=keep: getattr(nn, name)(x, 1, keep, last),
            [np.array([[3, 1, 3, 1], [2, 2, 2, 2]])],
        )
        for name in ("ArgMax", "ArgMin")
        for last in (False, True)
        for keep in (False, True)
    ),
    *(
        Case(f"CumSum-{exclusive}-{reverse}", lambda x, e=exclusive, r=reverse: nn.CumSum(x, 1, e, r), [(3, 5, 2)])
        for exclusive in (False, True)
        for reverse in (False, True)
    ),
    Case("TopK", lambda x: nn.TopK(x, 3, 1), [np.array([[1, 5, 5, 2, 5], [0, 0, -1, 3, 0]], np.float32)]),
    Case("SearchSorted", nn.SearchSorted, [ints(-3, 0, 0, 4, 9), ints(-5, -3, 0, 1, 4, 9, 10)]),
    Case(
        "SearchSorted-symbolic",
        nn.SearchSorted,
        [ints(1, 1, 2), ints(3, 1, 0, 2)],
        {"b": 3},
        [tensor(B, dtype=types.i64)],
    ),
    Case("SearchSorted-empty", nn.SearchSorted, [ints(), ints(-1, 0, 1)]),
    Case("MergeRuns", nn.MergeRuns, [np.array([[1, 5, 2, 7, 3, 9, 4], [0, 8, 1, 3, 2, 6, 5]]), np.array(2)]),
    Case("MergeRuns-keep", lambda x, run: nn.MergeRuns(x, run, 2), [ints(1, 5, 2, 7, 3, 9, 4), np.array(2)]),
    Case("TopK-smallest", lambda x: nn.TopK(x, B, 0, False), [(7, 3)], {"b": 2}),
    # Pooling
    Case("MaxPool", lambda x: nn.MaxPool(x, **pool()), [(2, 3, 7, 5)]),
    Case(
        "MaxPool-int", lambda x: nn.MaxPool(x, (2,), (2,), (1, 0), (1,)), [np.array([[[-7, -100, -128, -9]]], np.int8)]
    ),
    Case("MaxPool-ceil", lambda x: nn.MaxPool(x, **pool(ceil_mode=True)), [(1, 2, 6, 5)]),
    *(
        Case(
            f"AvgPool-{ceil}-{count}",
            lambda x, c=ceil, n=count: nn.AvgPool(x, **pool(ceil_mode=c), count_include_pad=n),
            [(1, 2, 6, 5)],
        )
        for ceil in (False, True)
        for count in (False, True)
    ),
    Case("SumPool-ceil", lambda x: nn.SumPool(x, **pool(ceil_mode=True)), [(1, 2, 6, 5)]),
    Case("AvgPool-whole", lambda x: nn.AvgPool(x, (2, 2), (2, 2), (0,) * 4, (1, 1)), [(1, 2, 6, 4)]),
    # Resampling
    *(
        Case(
            f"Resize-{mode}-{at}",
            lambda x, m=mode, a=at: nn.Resize(x, m, a, result_types=[tensor(1, 2, 7, 3)]),
            [(1, 2, 5, 4)],
        )
        for mode in ("nearest", "linear", "cubic")
        for at in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
    ),
    Case(
        "Resize-scales",
        lambda x: nn.Resize(x, "nearest", "asymmetric", "floor", (1.0, 2.6), result_types=[tensor(2, 13)]),
        [(2, 5)],
    ),
    Case(
        "Resize-exclude", lambda x: nn.Resize(x, "cubic", exclude_outside=True, result_types=[tensor(2, 13)]), [(2, 5)]
    ),
    *(
        Case(
            f"Resample-{mode}-{at}",
            lambda x, s, m=mode, a=at: nn.Resample(x, s, None, 2, m, a, result_types=[tensor(1, 2, 7, 4)]),
            [(1, 2, 5, 4), np.array(1.41, np.float32)],
        )
        for mode in ("nearest", "linear", "cubic")
        for at in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
    ),
    *(
        Case(
            f"Resample-antialias-{mode}-{exclude}",
            lambda x, m=mode, e=exclude: nn.Resample(
                x, axis=1, mode=m, exclude_outside=e, antialias=True, result_types=[tensor(2, 5)]
            ),
            [(2, 13)],
        )
        for mode in ("linear", "cubic")
        for exclude in (False, True)
    ),
    Case(
        "Resample-region",
        lambda x, r: nn.Resample(
            x, None, r, 1, "linear", "tf_crop_and_resize", extrapolation=-3.0, result_types=[tensor(2, 6)]
        ),
        [(2, 7), np.array([0.3, 1.4], np.float32)],
    ),
    # Indexing
    Case("Gather", lambda x, i: nn.Gather(x, i, 1), [(3, 5, 2), ints(4, -1, 0)[:, None]]),
    Case("Gather-scalar", lambda x, i: nn.Gather(x, i, 0), [(3, 5), np.array(-2, np.int32)]),
    Case("GatherElements", lambda x, i: nn.GatherElements(x, i, 1), [(3, 5), np.array([[4, -1], [0, 2]])]),
    Case("GatherNd", nn.GatherNd, [(3, 5, 2), np.array([[2, 4], [0, -1], [1, 1]])]),
    Case("GatherNd-batch", lambda x, i: nn.GatherNd(x, i, 1), [(3, 5, 2), np.array([[[4]], [[-1]], [[1]]])]),
    *(
        Case(
            f"ScatterElements-{how}",
            lambda x, i, u, how=how: nn.ScatterElements(x, i, u, 1, how),
            [(3, 5), np.array([[4, -5, 1], [0, 2, 0]]), (2, 3)],
        )
        for how in ("none", "add", "mul", "max")
    ),
    *(
        Case(
            f"ScatterNd-{how}",
            lambda x, i, u, how=how: nn.ScatterNd(x, i, u, how),
            [(3, 5, 2), np.array([[2, 4], [0, -1], [2, 4]]), (3, 2)],
        )
        for how in ("none", "add", "min")
    ),
    Case("OneHot", lambda i, v: nn.OneHot(i, v, B, 0), [ints(2, -1, 9), (2,)], {"b": 5}),
    # Normalizations
    Case("Softmax", lambda x: nn.Softmax(x, 1), [(3, 7, 2)]),
    Case("Softmax-f16", lambda x: nn.Softmax(x, 1), [(100 * FLOATS).astype(np.float16)]),
    Case("LogSoftmax", lambda x: nn.LogSoftmax(x, 0), [(3, 7)]),
    Case("LayerNorm", lambda x, s, b: nn.LayerNorm(x, s, b, 1), [(3, 7, 5), (7, 5), (7, 5)]),
    Case("LayerNorm-bare", lambda x: nn.LayerNorm(x, axis=2, epsilon=0.1), [(3, 7, 5)]),
    Case("RmsNorm", lambda x, s: nn.RmsNorm(x, s, 2), [(3, 7, 5), (5,)]),
    Case("BatchNorm", nn.BatchNorm, [(2, 7, 3, 5), (7,), (7,), (7,), POSITIVE[0]]),
    Case("BatchNorm-matrix", nn.BatchNorm, [(2, 7), (7,), (7,), (7,), POSITIVE[0]]),
    Case("InstanceNorm", nn.InstanceNorm, [(2, 3, 7), (3,), (3,)]),
    Case("GroupNorm", lambda *o: nn.GroupNorm(*o, groups=2), [(2, 6, 5, 3), (6,), (6,)]),
    Case("Lrn", lambda x: nn.Lrn(x, 4, 0.3, 0.75, 2.0), [(2, 7, 3)]),
    # Recurrent layers
    Case("Rnn", nn.Rnn, [(5, 2, 3), (1, 4, 3), (1, 4, 4), None, None, None]),
    Case(
        "Gru",
        lambda *o: nn.Gru(*o, linear_before_reset=True),
        [(5, 2, 3), (1, 12, 3), (1, 12, 4), (1, 24), None, (1, 2, 4)],
    ),
    Case(
        "Lstm",
        lambda *o: nn.Lstm(*o[:6], initial_c=o[6], peepholes=o[7], direction="bidirectional"),
        [(5, 2, 3), (2, 16, 3), (2, 16, 4), (2, 32), ints(5, 3, dtype=np.int32), (2, 2, 4), (2, 2, 4), (2, 12)],
    ),
]
