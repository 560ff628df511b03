"""The `kernel` dialect: groups of ops that become one launch, each a symbol of the module.

A `kernel.func` lives through three forms:

- after `form-kernels` its body holds `nn` ops on tensors; the block's arguments are the operands of its calls and
  `kernel.return` names the results;
- after `schedule-kernels` it has a `tactic` and a `schedule` too;
- after `tile-kernels` its body is a tile program: the block's arguments are memrefs, first the inputs, then the
  results, `kernel.return` returns nothing, and `grid`, `threads` and `arg_shapes` say how it is launched.

`kernel.call` is the same in all forms: tensors in, tensors out.
"""

from __future__ import annotations

from typing import Any

from ..attributes import DictAttr, SymbolRefAttr
from ..core import Block, Region, Value
from ..declare import ISOLATED, PURE, SYMBOL, TERMINATOR, Control, Op
from ..symbols import Dim, parse
from ..types import MemRefType, Scalar, TensorType, Type
from .builtin import Module


class Func(Op, name="kernel.func", traits=(ISOLATED, SYMBOL)):
    """A kernel.

    Names in size expressions are the model's symbols, as in tensor types. `grid` is the number of workers along up
    to three axes; a launch with an axis of 0 does nothing. `threads` is the size of a thread block (GPU only).
    `arg_shapes` has a text a memref argument, `"batch * seq, 768"`: its sizes, row-major and dense; `""` is rank 0.
    An argument may have other dimensions than the tensor of the call, but has as many elements in the same order.
    `onnx` names the nodes the kernel came from, `tactic` the strategy, `schedule` its parameters. `flops` and `bytes`
    are the work of one launch. `in_place` lists the operands whose memory may be the result's as well: each element is
    read before it is written, by the same worker. `index_type` is the type of indices on a GPU: i64, or i32 where that
    suffices. `cluster` workers along each axis of the grid run at the same time and see each other's shared memory
    (GPU); the grid is a multiple of it. `shared_bytes` is the least shared memory a thread block asks for: what it does
    not use keeps others off its multiprocessor. `timings` are the schedules that were measured, each a text
    `SECONDS STRATEGY {parameters}`.
    """

    body: Region
    sym_name: str
    grid: tuple[Dim, ...] | None = None
    threads: int | None = None
    arg_shapes: tuple[str, ...] | None = None
    onnx: tuple[str, ...] | None = None
    tactic: str | None = None
    schedule: DictAttr | None = None
    flops: Dim | None = None
    bytes: Dim | None = None
    in_place: tuple[int, ...] | None = None
    index_type: Scalar | None = None
    cluster: tuple[int, ...] | None = None
    shared_bytes: int | None = None
    timings: tuple[str, ...] | None = None

    def infer(self) -> list[Type]:
        return []

    @property
    def block(self) -> Block:
        return self.body.block

    @property
    def is_tiled(self) -> bool:
        """Whether the body is a tile program."""
        return self.grid is not None

    def argument_shapes(self) -> list[tuple[Dim, ...]]:
        """The sizes of the memref arguments of a tile program."""
        return [parse_shape(text) for text in self.arg_shapes or ()]

    def verify(self) -> None:
        super().verify()
        self.require(isinstance(self.block.last, Return), f"@{self.sym_name} must end with a 'kernel.return'")
        wanted = MemRefType if self.is_tiled else TensorType
        for argument in self.block.arguments:
            ok = isinstance(argument.type, wanted)
            self.require(ok, f"@{self.sym_name} argument {argument.index} must be a {wanted.__name__}")
        if self.is_tiled:
            self._verify_tiled()

    def _verify_tiled(self) -> None:
        self.require(1 <= len(self.grid or ()) <= 3, f"@{self.sym_name} needs a grid of one to three axes")
        self.require(not self.block.terminator.operands, f"@{self.sym_name} is a tile program and returns nothing")
        arguments, shapes = self.block.arguments, self.argument_shapes()
        self.require(len(shapes) == len(arguments), f"@{self.sym_name} needs an entry of 'arg_shapes' an argument")
        for argument, shape in zip(arguments, shapes, strict=True):
            assert isinstance(argument.type, MemRefType)
            static = tuple(dim if isinstance(dim, int) else None for dim in shape)
            agrees = argument.type.shape == static and argument.type.strides is None
            self.require(
                agrees, f"@{self.sym_name} argument {argument.index} is {argument.type}, not ({shape_text(shape)})"
            )


class Call(Op, name="kernel.call", traits=(PURE,)):
    """Run a kernel: tensors in, new tensors out."""

    inputs: tuple[Value, ...]
    callee: SymbolRefAttr

    @property
    def kernel(self) -> Func:
        """The kernel called. Raises VerifyError where the module has none of that name."""
        for op in self.ancestors():
            if isinstance(op, Module) and isinstance(found := op.symbols().get(self.callee.name), Func):
                return found
        return self.fail(f"calls {self.callee}, which is no kernel of the module")

    def control(self, *inputs: Any) -> Control:
        """Run the body on tensors; a tile program needs an interpreter with memory and workers."""
        self.require(not self.kernel.is_tiled, f"calls {self.callee}, which is a tile program already")
        return (yield self.kernel.body, inputs)


class Return(Op, name="kernel.return", traits=(TERMINATOR,)):
    """The results of a kernel; none in a tile program, which stores them."""

    values: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        return []


def parse_shape(text: str) -> tuple[Dim, ...]:
    """The sizes in an entry of `arg_shapes`. Raises ValueError for what is not a list of size expressions."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return tuple(parse(part.strip()) for part in parts) if text.strip() else ()


def shape_text(shape: tuple[Dim, ...]) -> str:
    """Sizes as an entry of `arg_shapes`."""
    return ", ".join(map(str, shape))
