"""Reading the IR's text. One grammar (`grammar.lark`), and a builder that makes the ops while lark reduces its rules.

    module = parse(text, "model.mlir")

Names are resolved as they are met; a value used before its definition gets a stand-in until it is defined.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, NoReturn

from lark import Lark, Token, UnexpectedInput

from . import dialects
from .attributes import ArrayAttr, Attribute, DictAttr, StringAttr, TypeAttr
from .core import Block, Operation, Region, Value
from .declare import ISOLATED, OPEN_DIALECTS, REGISTRY, Op
from .diagnostics import Diagnostic, ParseError, suggest
from .dialects.builtin import Module, UnrealizedConversionCast
from .literals import Literals, symbol_names
from .location import FilePosition, Location
from .syntax_errors import describe
from .types import FunctionType, Type

_STARTS = ("module_text", "type_text", "array_text", "dense_text", "location_text")


def parse(text: str, filename: str = "<text>") -> Module:
    """The module `text` holds; ops outside any module are put into one. Not verified: see `verify.verify`.

    Raises ParseError, which points at the place.
    """
    with _lock:
        return _parser().builder.module_of(text, filename)


def parse_fragment(text: str, filename: str = "<text>") -> Module:
    """Like `parse`, for a few ops of a larger program: each value they use and do not define gets a definition.

    It is a `builtin.unrealized_conversion_cast` from nothing at the start of the module.
    """
    with _lock:
        return _parser().builder.module_of(text, filename, fragment=True)


_lock = threading.Lock()


@dataclass(frozen=True)
class _Parser:
    lark: Lark
    builder: _Builder


@functools.cache
def _parser() -> _Parser:
    builder = _Builder()
    grammar = resources.files(__name__.rpartition(".")[0]).joinpath("grammar.lark").read_text()
    builder.lark = Lark(grammar, parser="lalr", start=list(_STARTS), transformer=builder, maybe_placeholders=True)
    return _Parser(builder.lark, builder)


@dataclass
class _Scope:
    """The values visible by name, in one isolated op."""

    values: dict[str, Sequence[Value]] = field(default_factory=dict)
    defined: dict[str, Token] = field(default_factory=dict)
    stand_ins: dict[str, tuple[Value, Token]] = field(default_factory=dict)
    regions: list[list[str]] = field(default_factory=list)


@dataclass
class _Head:
    """The start of an op, known before its regions are read; `block` is the block that a usual form implies."""

    name: str
    token: Token
    results: list[Token] | None = None
    block: Block | None = None
    parameters: list[Token] = field(default_factory=list)


class _Builder(Literals):
    """Callbacks named after the grammar's rules for ops, values and regions."""

    lark: Lark

    def module_of(self, text: str, filename: str, fragment: bool = False) -> Module:
        self.text, self.file, self.base = text, filename, 0
        self.forget()
        self.scopes = [_Scope()]
        self.heads: list[_Head] = []
        ops: list[Operation] = self._lark_parse(text, "module_text")
        if fragment:
            ops = [*self._definitions(), *ops]
        self._leave_isolated()
        if len(ops) == 1 and isinstance(ops[0], Module):
            return ops[0]
        module = Module.empty()
        for op in ops:
            module.block.append(op)
        return module

    def _definitions(self) -> list[Operation]:
        """An op for each value that the text uses and does not define."""
        found: list[Operation] = []
        stand_ins = self.scopes[-1].stand_ins
        for name, (value, _) in stand_ins.items():
            found.append(UnrealizedConversionCast((), result_types=[value.type]))
            found[-1].result.name = name[1:]
            value.replace_all_uses_with(found[-1].result)
        stand_ins.clear()
        return found

    # Errors and nested texts

    def parse_token(self, start: str, token: Token) -> Any:
        with self.inside(token):
            return self._lark_parse(str(token), start)

    @contextmanager
    def inside(self, token: Token) -> Generator[None]:
        assert token.start_pos is not None
        self.base += token.start_pos
        yield
        self.base -= token.start_pos

    def _lark_parse(self, text: str, start: str) -> Any:
        try:
            return self.lark.parse(text, start=start)
        except UnexpectedInput as error:
            syntax_error = error
        offset, width, message = describe(syntax_error, text, self.lark)
        return self._fail_at(self.base + offset, width, message)

    def fail(self, token: Token | None, message: str) -> NoReturn:
        start = token.start_pos if token is not None else 0
        self._fail_at(self.base + (start or 0), len(token or " "), message)

    def _fail_at(self, offset: int, width: int, message: str) -> NoReturn:
        line = self.text.count("\n", 0, offset) + 1
        column = offset - self.text.rfind("\n", 0, offset)
        end = self.text.find("\n", offset)
        width = min(width, (len(self.text) if end < 0 else end) - offset)
        position = FilePosition(self.file, line, column, max(width, 1), self.text)
        raise ParseError(Diagnostic(message, Location(position=position)))

    def _position(self, token: Token) -> FilePosition:
        assert token.line is not None and token.column is not None
        return FilePosition(self.file, token.line, token.column, len(token), self.text)

    # Values

    def _define(self, token: Token, values: Sequence[Value]) -> None:
        """Bind the name `%x` or `%x:2` to `values`; a later use may say `%x#1`."""
        scope = self.scopes[-1]
        name = token.partition(":")[0]
        if name in scope.values:
            before = scope.defined[name]
            self.fail(token, f"the value {name} is already defined in line {before.line}")
        scope.values[name] = values
        scope.defined[name] = token
        if scope.regions:
            scope.regions[-1].append(name)
        if not name[1:].isdigit():
            for value in values:
                value.name = name[1:]
        if scope.stand_ins:
            for i, value in enumerate(values):
                self._replace(scope, f"{name}#{i}", value)
            self._replace(scope, name, values[0])

    def _replace(self, scope: _Scope, name: str, value: Value) -> None:
        stand_in, token = scope.stand_ins.pop(name, (None, None))
        if stand_in is None or token is None:
            return
        if stand_in.type != value.type:
            self.fail(token, f"{name} is of type {value.type}, not {stand_in.type}")
        stand_in.replace_all_uses_with(value)

    def _use(self, token: Token, type: Type) -> Value:
        scope = self.scopes[-1]
        name, _, index = token.partition("#")
        values = scope.values.get(name)
        if values is None:
            known = scope.stand_ins.get(token)
            if known is None:
                known = scope.stand_ins[str(token)] = (Value(type), token)
            value = known[0]
        elif index and int(index) >= len(values):
            self.fail(token, f"{name} stands for {len(values)} values, so there is no {token}")
        else:
            value = values[int(index) if index else 0]
        if value.type != type:
            self.fail(token, f"{token} is of type {value.type}, not {type}")
        return value

    def _operands(self, tokens: Sequence[Token], types: Sequence[Type], at: Token) -> list[Value]:
        if len(tokens) != len(types):
            self.fail(at, f"the operands are {len(tokens)}, their types {len(types)}")
        return [self._use(token, type) for token, type in zip(tokens, types, strict=True)]

    # Regions

    def open(self, children: list[Any]) -> Block | None:
        """`{`: a region begins. An isolated op sees no values from outside."""
        head = self.heads[-1]
        cls = self._class(head.name, head.token)
        if cls is not None and cls.has(ISOLATED):
            self.scopes.append(_Scope())
        self.scopes[-1].regions.append([])
        for token, argument in zip(head.parameters, () if head.block is None else head.block.arguments, strict=True):
            self._define(token, [argument])
        return head.block

    def region(self, children: list[Any]) -> Region:
        """`}`: a region ends, and with it the names it defined."""
        scope = self.scopes[-1]
        names = scope.regions.pop()
        if not scope.regions and len(self.scopes) > 1:
            self._leave_isolated()
        else:
            for name in names:
                del scope.values[name], scope.defined[name]
        region = Region()
        for child in children:
            if isinstance(child, Block):
                region.add_block(child)
            elif isinstance(child, Operation):
                if not region.blocks:
                    region.add_block(Block())
                region.blocks[-1].append(child)
        return region

    def _leave_isolated(self) -> None:
        scope = self.scopes.pop()
        for name, (_, token) in scope.stand_ins.items():
            self.fail(token, f"the value {name} is not defined here{suggest(name, scope.values)}")

    def regions(self, children: list[Region]) -> list[Region]:
        return children

    def label(self, children: list[Any]) -> Block:
        arguments: list[tuple[Token, Type]] = [child for child in children[1:] if child is not None]
        block = Block([type for _, type in arguments])
        for (token, _), argument in zip(arguments, block.arguments, strict=True):
            self._define(token, [argument])
        return block

    def argument(self, children: list[Any]) -> tuple[Token, Type]:
        return children[0], children[1]

    # Ops

    def module_text(self, children: list[Any]) -> list[Operation]:
        return [child for child in children if isinstance(child, Operation)]

    def alias(self, children: list[Any]) -> None:
        self.aliases[children[0][1:]] = children[1]

    def names(self, children: list[Token]) -> list[Token]:
        return children

    def operands(self, children: list[Token]) -> list[Token]:
        return children

    def properties(self, children: list[Any]) -> dict[Token, Attribute]:
        return self.dictionary(children)

    def head(self, children: list[Any]) -> None:
        results, name = children
        self.heads.append(_Head(self._unquote(name), name, results))

    def operation(self, children: list[Any]) -> Operation:
        _, operands, properties, regions, attributes, inputs, results, location = children
        head = self.heads.pop()
        values = self._operands(operands or (), inputs or (), head.token)
        entries = {**(properties or {}), **(attributes or {})}
        op = self._build(head, values, results, entries, regions or (), location)
        if head.results is not None:
            self._name_results(head.results, op)
        return op

    def _build(
        self,
        head: _Head,
        operands: Sequence[Value],
        results: Sequence[Type],
        entries: Mapping[Token, Attribute],
        regions: Sequence[Region],
        location: Token | None,
    ) -> Operation:
        cls = self._class(head.name, head.token)
        attributes = {self.attribute_name(name): value for name, value in entries.items()}
        where = Location(self.location(location).names if location else (), self._position(head.token))
        if cls is None:
            return Operation(head.name, operands, results, attributes, regions, where)
        unknown = attributes.keys() - cls.definition.attribute_names
        for name in unknown:
            if "." not in name:
                token = next(token for token in entries if self.attribute_name(token) == name)
                known = suggest(name, cls.definition.attribute_names)
                self.fail(token, f"'{head.name}' has no attribute '{name}'{known}")
        return cls.build(operands, results, attributes, regions, where)

    def _class(self, name: str, token: Token) -> type[Op] | None:
        """The declared class of an op; None for an op of a dialect that nobody declared."""
        found = REGISTRY.get(name)
        if found is not None:
            return found
        dialect = name.partition(".")[0]
        dialects.load(dialect)
        if name in REGISTRY:
            return REGISTRY[name]
        known = [other for other in REGISTRY if other.startswith(dialect + ".")]
        if known and dialect not in OPEN_DIALECTS:
            self.fail(token, f"the dialect '{dialect}' has no op '{name}'{suggest(name, known)}")
        return None

    def _name_results(self, tokens: list[Token], op: Operation) -> None:
        counts = [int(token.partition(":")[2] or 1) for token in tokens]
        if sum(counts) != len(op.results):
            self.fail(tokens[0], f"{sum(counts)} names for {len(op.results)} results")
        position = 0
        for token, count in zip(tokens, counts, strict=True):
            self._define(token, op.results[position : position + count])
            position += count

    # The usual forms

    def module_head(self, children: list[Any]) -> dict[Token, Attribute]:
        token, name, attributes = children
        self.heads.append(_Head("builtin.module", token, block=Block()))
        return self._with_symbol(name, attributes)

    def module(self, children: list[Any]) -> Operation:
        entries, region, location = children
        return self._build(self.heads.pop(), (), (), entries, [region], location)

    def function_head(self, children: list[Any]) -> dict[Token, Attribute]:
        token, visibility, name, parameters, results, attributes = children
        parameters, results = parameters or [], results or []
        names = [name for name, _, _ in parameters if name is not None]
        if names and len(names) != len(parameters):
            self.fail(name, "either every parameter has a name or none has")
        type = FunctionType(tuple(type for _, type, _ in parameters), tuple(type for type, _ in results))
        entries = self._with_symbol(name, attributes)
        entries[token.update(value="function_type")] = TypeAttr(type)
        for key, dictionaries in (
            ("arg_attrs", [d for _, _, d in parameters]),
            ("res_attrs", [d for _, d in results]),
        ):
            if any(dictionaries):
                entries[token.update(value=key)] = ArrayAttr(tuple(d or DictAttr(()) for d in dictionaries))
        if visibility is not None and visibility != "public":
            entries[token.update(value="sym_visibility")] = StringAttr(str(visibility))
        block = Block(type.inputs) if len(names) == len(parameters) else None
        self.heads.append(_Head("func.func", token, None, block, names))
        return entries

    def function(self, children: list[Any]) -> Operation:
        entries, region, location = children
        return self._build(self.heads.pop(), (), (), entries, [region or Region()], location)

    def _with_symbol(self, name: Token | None, attributes: Mapping[Token, Attribute] | None) -> dict[Token, Attribute]:
        entries = dict(attributes or {})
        if name is not None:
            entries[name.update(value="sym_name")] = StringAttr(symbol_names(name)[0])
        return entries

    def parameters(self, children: list[Any]) -> list[Any]:
        return children

    def parameter(self, children: list[Any]) -> tuple[Token | None, Type, DictAttr | None]:
        name, type, attributes, _ = children
        return name, type, self.dictionary_attribute([attributes]) if attributes else None

    def one_result(self, children: list[Token]) -> list[tuple[Type, None]]:
        return [(self.type_of(children[0]), None)]

    def function_results(self, children: list[Any]) -> list[Any]:
        return [child for child in children if child is not None]

    def function_result(self, children: list[Any]) -> tuple[Type, DictAttr | None]:
        type, attributes = children
        return type, self.dictionary_attribute([attributes]) if attributes else None

    def return_(self, children: list[Any]) -> Operation:
        token, operands, types, location = children
        head = _Head("func.return", token)
        return self._build(head, self._operands(operands or (), types or (), token), (), {}, (), location)
