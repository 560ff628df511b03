"""Modules and functions: MLIR's `builtin` and `func` dialects."""

from __future__ import annotations

from typing import Any, Literal

from ..attributes import DictAttr, SymbolRefAttr
from ..core import Block, Operation, Region, Value
from ..declare import ISOLATED, NO_TERMINATOR, SYMBOL, TERMINATOR, Control, Op
from ..location import UNKNOWN, Location
from ..types import FunctionType, Type


class Module(Op, name="builtin.module", traits=(ISOLATED, SYMBOL, NO_TERMINATOR)):
    """A list of functions and kernels; `kw.target` and `kw.precision` make a dump replay by itself."""

    body: Region
    sym_name: str | None = None
    sym_visibility: Literal["private"] | None = None

    def infer(self) -> list[Type]:
        return []

    @staticmethod
    def empty(name: str | None = None) -> Module:
        return Module(Region(Block()), name)

    @property
    def block(self) -> Block:
        return self.body.block

    def symbols(self) -> dict[str, Operation]:
        """The ops of the module by symbol name."""
        return {op.symbol: op for op in self.block if op.symbol is not None}

    def lookup(self, name: str) -> Operation:
        """The op with symbol `name`. Raises VerifyError where there is none."""
        found = self.symbols().get(name)
        if found is None:
            self.fail(f"has no symbol @{name}")
        return found

    @property
    def main(self) -> Func:
        """The function a plan is made of."""
        main = self.lookup("main")
        assert isinstance(main, Func)
        return main


class Func(Op, name="func.func", traits=(ISOLATED, SYMBOL)):
    """A function; `arg_attrs` and `res_attrs` hold a dictionary an argument and a result (`kw.name`: its ONNX name)."""

    body: Region
    sym_name: str
    function_type: FunctionType
    arg_attrs: tuple[DictAttr, ...] | None = None
    res_attrs: tuple[DictAttr, ...] | None = None
    sym_visibility: Literal["private"] | None = None

    def infer(self) -> list[Type]:
        return []

    @property
    def block(self) -> Block:
        return self.body.block

    def update_type(self) -> None:
        """Make `function_type` agree with the block's arguments and the returned values."""
        results = tuple(v.type for v in self.block.terminator.operands)
        self.function_type = FunctionType(tuple(a.type for a in self.block.arguments), results)

    def verify(self) -> None:
        super().verify()
        if not self.body.blocks:
            self.require(self.sym_visibility, f"@{self.sym_name} has no body; only a private function may")
            return
        found = tuple(a.type for a in self.block.arguments)
        self.require(found == self.function_type.inputs, f"@{self.sym_name} has arguments of other types than its body")
        last = self.block.last
        self.require(isinstance(last, Return), f"@{self.sym_name} must end with a return")
        returned = tuple(v.type for v in self.block.terminator.operands)
        self.require(
            returned == self.function_type.results,
            f"@{self.sym_name} returns ({', '.join(map(str, returned))}) "
            f"where its type says ({', '.join(map(str, self.function_type.results))})",
        )


class Return(Op, name="func.return", traits=(TERMINATOR,)):
    """The results of a function."""

    values: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        return []


class Call(Op, name="func.call"):
    """Call a function of the module."""

    inputs: tuple[Value, ...]
    callee: SymbolRefAttr

    def _function(self) -> Func:
        for op in self.ancestors():
            if isinstance(op, Module) and isinstance(found := op.symbols().get(self.callee.name), Func):
                return found
        return self.fail(f"calls {self.callee}, which is no function of the module")

    def infer(self) -> list[Type]:
        return list(self._function().function_type.results)

    def verify(self) -> None:
        super().verify()
        found, expected = tuple(v.type for v in self.inputs), self._function().function_type.inputs
        text = ", ".join(map(str, expected))
        self.require(found == expected, f"{self.callee} takes ({text}), found ({', '.join(map(str, found))})")

    def control(self, *inputs: Any) -> Control:
        return (yield self._function().body, inputs)


class UnrealizedConversionCast(Op, name="builtin.unrealized_conversion_cast"):
    """A value under another type while a lowering is half done; none is left when a phase ends."""

    values: tuple[Value, ...]


def function(name: str, inputs: list[Type], location: Location = UNKNOWN) -> Func:
    """A function with an empty body; append ops to `block`, end it with `Return`, call `update_type`."""
    body = Region(Block(inputs))
    return Func(body, name, FunctionType(tuple(inputs), ()), location=location)
