"""The text of the IR: MLIR's, with modules, functions and returns in their usual form and every other op generic.

    %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("/layer1/Relu")

Values keep their name hints, made unique; the others are numbered. Whatever prints here, `parser.parse` reads back
to an equal module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .attributes import ArrayAttr, Attribute, DictAttr, StringAttr, TypeAttr, UnitAttr, symbol_text
from .strings import identifier, quote
from .types import FunctionType, Type

if TYPE_CHECKING:
    from .core import Block, Operation, Region, Value

_INDENT = "  "
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_$.-]")
_FUNCTION_ATTRIBUTES = {"sym_name", "function_type", "arg_attrs", "res_attrs", "sym_visibility"}


def print_op(op: Operation) -> str:
    """The text of `op` and everything inside it, without a newline at its end.

    Values have the names they have in the text of the whole function around `op`.
    """
    printer = _Printer()
    scope = op
    while scope.parent_op is not None and "isolated" not in scope.traits:
        scope = scope.parent_op
    if scope is not op:
        printer.name_inside(scope)
    printer.op(op, "")
    return "".join(printer.out)


class _Printer:
    def __init__(self) -> None:
        self.out: list[str] = []
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.count = 0
        self.texts: dict[int, tuple[object, str]] = {}

    # Names

    def name(self, value: Value) -> str:
        """The name of `value`, chosen when it is first met."""
        known = self.names.get(value)
        if known is not None:
            return known
        hint = _NOT_A_NAME.sub("_", value.name or "").lstrip("_")
        if not hint or hint.isdigit():
            name = self._number()
        else:
            base = "_" + hint if hint[0].isdigit() else hint
            name, suffix = base, 0
            while name in self.taken:
                name, suffix = f"{base}_{suffix}", suffix + 1
        self.taken.add(name)
        self.names[value] = "%" + name
        return "%" + name

    def _number(self) -> str:
        self.count += 1
        return str(self.count - 1)

    def name_inside(self, op: Operation) -> None:
        """Name the results of `op` and all values inside it, in the order in which they would be printed."""
        for value in (*op.results, *op.operands):
            self.name(value)
        for region in op.regions:
            for block in region.blocks:
                for argument in block.arguments:
                    self.name(argument)
                for inner in block:
                    self.name_inside(inner)

    # Ops

    def op(self, op: Operation, indent: str) -> None:
        """Print `op`. An isolated op where no value is visible, such as a function, numbers its values anew."""
        isolated = "isolated" in op.traits and not self.taken
        if op.name == "builtin.module" and _is_plain_module(op):
            self._module(op, indent)
        elif op.name == "func.func" and _is_plain_function(op):
            self._function(op, indent)
        elif op.name == "func.return" and _ends_function(op):
            self._return(op)
        else:
            self._generic(op, indent)
        if isolated:
            self.taken, self.count = set(), 0
        if op.location.names:
            self.out.append(f" {op.location}")

    def _generic(self, op: Operation, indent: str) -> None:
        out = self.out
        if op.results:
            out.append(", ".join(map(self.name, op.results)) + " = ")
        out.append(f"{quote(op.name)}({', '.join(map(self.name, op.operands))})")
        for i, region in enumerate(op.regions):
            out.append(", " if i else " (")
            self._region(region, indent)
        out.append(")" if op.regions else "")
        if op.attributes:
            out.append(" " + self._dictionary(op.attributes))
        single = len(op.results) == 1 and not isinstance(op.results[0].type, FunctionType)
        results = self._text(op.results[0].type) if single else self._types(op.results)
        out.append(f" : {self._types(op.operands)} -> {results}")

    def _module(self, op: Operation, indent: str) -> None:
        self.out.append("module " + (f"{_symbol(op)} " if op.symbol is not None else ""))
        self._other_attributes(op, {"sym_name"})
        self._region(op.regions[0], indent)

    def _function(self, op: Operation, indent: str) -> None:
        type = _function_type(op)
        private = "private " if "sym_visibility" in op.attributes else ""
        self.out.append(f"func.func {private}{_symbol(op)}(")
        blocks = op.regions[0].blocks
        parameters = [self._text(t) for t in type.inputs]
        if blocks:
            names = map(self.name, blocks[0].arguments)
            parameters = [f"{name}: {text}" for name, text in zip(names, parameters, strict=True)]
        self.out.append(self._with_attributes(parameters, op.attributes.get("arg_attrs")) + ")")
        attributes = op.attributes.get("res_attrs")
        results = self._with_attributes([self._text(t) for t in type.results], attributes)
        single = len(type.results) == 1 and attributes is None and not isinstance(type.results[0], FunctionType)
        if type.results:
            self.out.append(f" -> {results}" if single else f" -> ({results})")
        self.out.append(" ")
        self._other_attributes(op, _FUNCTION_ATTRIBUTES)
        if blocks:
            self._region(op.regions[0], indent, header=False)
        else:
            self.out[-1] = self.out[-1].rstrip()

    def _return(self, op: Operation) -> None:
        self.out.append("return")
        if op.operands:
            types = ", ".join(self._text(v.type) for v in op.operands)
            self.out.append(f" {', '.join(map(self.name, op.operands))} : {types}")

    # Parts

    def _region(self, region: Region, indent: str, header: bool = True) -> None:
        self.out.append("{\n")
        for i, block in enumerate(region.blocks):
            self._block(block, indent, f"^bb{i}" if header and (i or _needs_label(region)) else None)
        self.out.append(indent + "}")

    def _block(self, block: Block, indent: str, label: str | None) -> None:
        if label is not None:
            arguments = ", ".join(f"{self.name(a)}: {self._text(a.type)}" for a in block.arguments)
            self.out.append(f"{indent}{label}{f'({arguments})' if arguments else ''}:\n")
        inner = indent + _INDENT
        for op in block:
            self.out.append(inner)
            self.op(op, inner)
            self.out.append("\n")

    def _types(self, values: Sequence[Value]) -> str:
        return "(" + ", ".join(self._text(v.type) for v in values) + ")"

    def _text(self, thing: Type | Attribute) -> str:
        """`str(thing)`, once for one object: modules share their types."""
        known = self.texts.get(id(thing))
        if known is None:
            known = self.texts[id(thing)] = (thing, str(thing))
        return known[1]

    def _dictionary(self, attributes: Mapping[str, Attribute]) -> str:
        entries = (
            identifier(name) + ("" if isinstance(value, UnitAttr) else f" = {value}")
            for name, value in attributes.items()
        )
        return "{" + ", ".join(entries) + "}"

    def _other_attributes(self, op: Operation, printed: set[str]) -> None:
        rest = {name: value for name, value in op.attributes.items() if name not in printed}
        if rest:
            self.out.append(f"attributes {self._dictionary(rest)} ")

    def _with_attributes(self, texts: Iterable[str], attributes: Attribute | None) -> str:
        texts = list(texts)
        extra = attributes.values if isinstance(attributes, ArrayAttr) else (DictAttr(()),) * len(texts)
        return ", ".join(t if x == DictAttr(()) else f"{t} {x}" for t, x in zip(texts, extra, strict=True))


def _symbol(op: Operation) -> str:
    return symbol_text(op.symbol or "")


def _needs_label(region: Region) -> bool:
    """Whether the first block's label must be printed: its arguments, or blocks that would not be told apart."""
    first = region.blocks[0]
    in_module = region.parent is not None and region.parent.name == "builtin.module"
    return bool(first.arguments) or len(region.blocks) > 1 or (first.first is None and not in_module)


# The usual forms leave things out. An op for which that would lose something is printed in generic form.


def _is_plain_module(op: Operation) -> bool:
    name = op.attributes.get("sym_name")
    whole = not op.operands and not op.results and len(op.regions) == 1 and len(op.regions[0].blocks) == 1
    return whole and not op.regions[0].blocks[0].arguments and (name is None or isinstance(name, StringAttr))


def _is_plain_function(op: Operation) -> bool:
    type = op.attributes.get("function_type")
    if op.operands or op.results or len(op.regions) != 1 or op.symbol is None or not isinstance(type, TypeAttr):
        return False
    if not isinstance(type.value, FunctionType):
        return False
    blocks = op.regions[0].blocks
    if blocks and tuple(a.type for a in blocks[0].arguments) != type.value.inputs:
        return False
    return (
        len(blocks) <= 1
        and _plain_dictionaries(op, "arg_attrs", len(type.value.inputs))
        and _plain_dictionaries(op, "res_attrs", len(type.value.results))
        and op.attributes.get("sym_visibility") in (None, StringAttr("private"))
    )


def _plain_dictionaries(op: Operation, name: str, count: int) -> bool:
    """Whether the attribute `name` is absent, or a dictionary for each of `count` values and one of them not empty."""
    attribute = op.attributes.get(name)
    if attribute is None:
        return True
    if not isinstance(attribute, ArrayAttr) or len(attribute.values) != count:
        return False
    return all(isinstance(d, DictAttr) for d in attribute.values) and any(d != DictAttr(()) for d in attribute.values)


def _function_type(op: Operation) -> FunctionType:
    type = op.attributes["function_type"]
    assert isinstance(type, TypeAttr) and isinstance(type.value, FunctionType)
    return type.value


def _ends_function(op: Operation) -> bool:
    plain = not op.attributes and not op.results and not op.regions
    return plain and op.parent_op is not None and op.parent_op.name == "func.func"
