"""Declaring ops: a small class per op; parsing, printing, verification and documentation follow from it.

    class Gemm(Op, name="nn.gemm", traits=(PURE,)):
        \"\"\"alpha * a @ b + c.\"\"\"
        a: Value
        b: Value
        c: Value | None = None
        alpha: float = 1.0

        def infer(self) -> list[Type]: ...

Fields annotated `Value`, `Value | None` or `tuple[Value, ...]` are operands, `Region` and `tuple[Region, ...]` are
regions, everything else is a typed attribute (`codec` lists the types). The constructor takes the fields in order,
then `result_types=` (needed only where `infer` is not defined) and `location=`.
"""

from __future__ import annotations

import inspect
import types as python_types
import typing
from collections.abc import Generator, Sequence
from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

from .attributes import Attribute, DenseArrayAttr
from .codec import Codec, codec_for
from .core import Operation, Region, Value
from .diagnostics import InternalError, suggest
from .location import UNKNOWN, Location
from .types import Type, i32

# Traits an op may have; passes ask `op.has(PURE)`.
PURE = "pure"  # no effect but its results: may be removed, merged, moved and evaluated at compile time
COMMUTATIVE = "commutative"  # the first two operands may change places
TERMINATOR = "terminator"  # ends its block
SYMBOL = "symbol"  # has a `sym_name` that other ops refer to
ISOLATED = "isolated"  # its regions use no values from outside
NO_TERMINATOR = "no terminator"  # the blocks of its regions may end with any op

_STRUCTURE = ("name", "location", "attributes", "parent", "prev", "next", "results", "regions")
Control = Generator[tuple[Region, Sequence[Any]], Sequence[Any], Sequence[Any]]
"""What `control` of an op with control flow returns: see `interpreter`."""

SEGMENTS = "operandSegmentSizes"
_MISSING: Any = object()


@dataclass(frozen=True)
class OperandField:
    """One operand slot: exactly one value, at most one (`optional`), or any number (`variadic`)."""

    name: str
    optional: bool = False
    variadic: bool = False


@dataclass(frozen=True)
class AttributeField:
    name: str
    codec: Codec
    default: Any = _MISSING

    @property
    def required(self) -> bool:
        return self.default is _MISSING and not self.codec.optional

    @property
    def absent(self) -> Any:
        """The value where an op lacks the attribute."""
        return None if self.default is _MISSING else self.default

    @property
    def default_attribute(self) -> Attribute | None:
        """What the attribute is where the maker does not say; None where it is absent then, or required."""
        absent = self.default is _MISSING or self.default is None
        return None if absent else self.codec.encode(self.default)


@dataclass(frozen=True)
class RegionField:
    name: str
    variadic: bool = False


@dataclass(frozen=True)
class Definition:
    """What a declaration says, for the parser, the verifier and the op reference."""

    operands: tuple[OperandField, ...]
    attributes: tuple[AttributeField, ...]
    regions: tuple[RegionField, ...]
    order: tuple[str, ...]

    @cached_property
    def attribute_names(self) -> frozenset[str]:
        """The attributes the op has of its own; any other must be prefixed with a dialect: `kw.target`."""
        return frozenset(a.name for a in self.attributes) | ({SEGMENTS} if self.segmented else set())

    @property
    def segmented(self) -> bool:
        """Whether the operand counts need `operandSegmentSizes` to be told apart."""
        return sum(o.optional or o.variadic for o in self.operands) > 1


REGISTRY: dict[str, type[Op]] = {}
"""Every declared op by its name."""

OPEN_DIALECTS: set[str] = set()
"""Dialects that also have ops which nobody declared: `onnx`, whose operators are the model's."""


def _keyword(*, default: Any, kw_only: bool = True) -> Any: ...


@dataclass_transform(field_specifiers=(_keyword,))
class _Declared(Operation):
    """Gives type checkers the constructors of ops; a class of its own because its own fields would not count."""


class Op(_Declared):
    """The base of declared ops."""

    if TYPE_CHECKING:
        result_types: InitVar[Sequence[Type] | None] = _keyword(default=None)
        location: Location = _keyword(default=UNKNOWN)

    definition: ClassVar[Definition] = Definition((), (), (), ())

    def __init_subclass__(cls, *, name: str | None = None, traits: Sequence[str] = ()) -> None:
        super().__init_subclass__()
        cls.traits = cls.traits | frozenset(traits)
        cls.definition = _definition(cls)
        if name is not None:
            if name in REGISTRY and REGISTRY[name].__module__ != cls.__module__:
                raise InternalError(f"op '{name}' is declared in {REGISTRY[name].__module__} and in {cls.__module__}")
            cls.op_name = name
            REGISTRY[name] = cls

    def __init__(
        self, *args: Any, result_types: Sequence[Type] | None = None, location: Location = UNKNOWN, **kwargs: Any
    ) -> None:
        values = _bind(self.definition, self.op_name, args, kwargs)
        operands, segments = _flatten(self.definition, values)
        attributes = {
            field.name: field.codec.encode(values[field.name])
            for field in self.definition.attributes
            if values[field.name] is not None
        }
        if self.definition.segmented:
            attributes[SEGMENTS] = DenseArrayAttr(i32, segments)
        regions: list[Region] = []
        for field in self.definition.regions:
            regions.extend(values[field.name] if field.variadic else (values[field.name],))
        super().__init__(self.op_name, operands, (), attributes, regions, location)
        for type in self.infer() if result_types is None else result_types:
            self.add_result(type)

    @classmethod
    def build(
        cls,
        operands: Sequence[Value],
        result_types: Sequence[Type],
        attributes: dict[str, Attribute],
        regions: Sequence[Region] = (),
        location: Location = UNKNOWN,
    ) -> Self:
        """An op from its generic parts, unchecked: what the parser and `clone` need. `verify` checks it."""
        op = object.__new__(cls)
        Operation.__init__(op, cls.op_name, operands, result_types, attributes, regions, location)
        return op

    @classmethod
    def has(cls, trait: str) -> bool:
        return trait in cls.traits

    def infer(self) -> list[Type]:
        """The result types that operands and attributes imply; an op without this takes `result_types=`."""
        raise InternalError(f"'{self.name}' does not infer its result types; give result_types=")

    @classmethod
    def infers(cls) -> bool:
        return cls.infer is not Op.infer

    def operand_group(self, name: str) -> tuple[Value, ...]:
        """The values of one operand field."""
        start, stop = self._segment(name)
        return self.operands[start:stop]

    def operand_index(self, name: str) -> int:
        """The position of the first value of the operand field `name`."""
        return self._segment(name)[0]

    def _segment(self, name: str) -> tuple[int, int]:
        position = 0
        for field, count in zip(self.definition.operands, self.segment_sizes(), strict=True):
            if field.name == name:
                return position, position + count
            position += count
        raise KeyError(name)

    def segment_sizes(self) -> tuple[int, ...]:
        """How many values each operand field has."""
        fields = self.definition.operands
        if self.definition.segmented:
            attribute = self.attributes[SEGMENTS]
            assert isinstance(attribute, DenseArrayAttr)
            return tuple(int(v) for v in attribute.values)
        fixed = sum(not (f.optional or f.variadic) for f in fields)
        return tuple(len(self.operands) - fixed if f.optional or f.variadic else 1 for f in fields)

    def verify(self) -> None:
        """Check operands, attributes, regions and result types against the declaration. Raises VerifyError."""
        self._verify_operands()
        for field in self.definition.attributes:
            self._verify_attribute(field)
        for name in self.attributes.keys() - self.definition.attribute_names:
            known = self.definition.attribute_names
            self.require("." in name, f"has no attribute '{name}'{suggest(name, known)}")
        fixed = sum(not r.variadic for r in self.definition.regions)
        exact = fixed == len(self.definition.regions)
        enough = len(self.regions) == fixed if exact else len(self.regions) >= fixed
        self.require(enough, f"expects {fixed} regions and has {len(self.regions)}")
        if self.infers():
            expected = self.infer()
            found = [result.type for result in self.results]
            self.require(
                expected == found,
                f"has result types ({', '.join(map(str, found))}) where ({', '.join(map(str, expected))}) follows",
            )

    def _verify_operands(self) -> None:
        fields = self.definition.operands
        if self.definition.segmented:
            attribute = self.attributes.get(SEGMENTS)
            valid = isinstance(attribute, DenseArrayAttr) and len(attribute.values) == len(fields)
            self.require(valid, f"needs '{SEGMENTS}' with {len(fields)} entries")
        sizes = self.segment_sizes()
        names = ", ".join(field.name for field in fields)
        found = len(self.operands)
        self.require(sum(sizes) == found, f"takes {sum(sizes)} operands ({names}), found {found}")
        for field, size in zip(fields, sizes, strict=True):
            limit = None if field.variadic else 1
            least = 0 if field.optional or field.variadic else 1
            enough = size >= least and (limit is None or size <= limit)
            self.require(enough, f"has {len(self.operands)} operands; '{field.name}' would get {size}")

    def _verify_attribute(self, field: AttributeField) -> None:
        attribute = self.attributes.get(field.name)
        if attribute is None:
            self.require(not field.required, f"needs the attribute '{field.name}'")
            return
        try:
            field.codec.decode(attribute)
        except (TypeError, ValueError, KeyError):
            self.fail(f"attribute '{field.name}' must be {field.codec.description}, found {attribute}")


def _bind(definition: Definition, op_name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    if len(args) > len(definition.order):
        raise TypeError(f"'{op_name}' takes {len(definition.order)} fields, got {len(args)}")
    values = dict(zip(definition.order, args, strict=False))
    for name, value in kwargs.items():
        if name not in definition.order or name in values:
            raise TypeError(f"'{op_name}' has no field '{name}', or it was given twice")
        values[name] = value
    for operand in definition.operands:
        empty: Any = () if operand.variadic else None if operand.optional else _MISSING
        values.setdefault(operand.name, empty)
    for attribute in definition.attributes:
        values.setdefault(attribute.name, None if attribute.default is _MISSING else attribute.default)
        if values[attribute.name] is None and attribute.required:
            raise TypeError(f"'{op_name}' needs the attribute '{attribute.name}'")
    for region in definition.regions:
        values.setdefault(region.name, () if region.variadic else _MISSING)
    missing = [name for name, value in values.items() if value is _MISSING]
    if missing:
        raise TypeError(f"'{op_name}' needs {', '.join(missing)}")
    return values


def _flatten(definition: Definition, values: dict[str, Any]) -> tuple[list[Value], tuple[int, ...]]:
    operands: list[Value] = []
    sizes: list[int] = []
    for field in definition.operands:
        value = values[field.name]
        group = tuple(value) if field.variadic else () if value is None else (value,)
        for v in group:
            if not isinstance(v, Value):
                raise TypeError(f"operand '{field.name}' must be a Value, got {type(v).__name__}")
        operands.extend(group)
        sizes.append(len(group))
    return operands, tuple(sizes)


class _OperandAccess:
    """`op.x`: the value, None or a tuple of values of an operand field."""

    def __init__(self, field: OperandField) -> None:
        self.field = field

    def __get__(self, op: Op | None, owner: type[Op]) -> Any:
        if op is None:
            return self
        group = op.operand_group(self.field.name)
        if self.field.variadic:
            return group
        return group[0] if group else None


class _AttributeAccess:
    """`op.axis`: an attribute as a Python value, its default where it is absent; assigning replaces the attribute."""

    def __init__(self, field: AttributeField) -> None:
        self.field = field

    def __get__(self, op: Op | None, owner: type[Op]) -> Any:
        if op is None:
            return self
        attribute = op.attributes.get(self.field.name)
        if attribute is None:
            return self.field.absent
        return self.field.codec.decode(attribute)

    def __set__(self, op: Op, value: Any) -> None:
        if value is None:
            op.attributes.pop(self.field.name, None)
        else:
            op.attributes[self.field.name] = self.field.codec.encode(value)


class _RegionAccess:
    def __init__(self, index: int, variadic: bool) -> None:
        self.index = index
        self.variadic = variadic

    def __get__(self, op: Op | None, owner: type[Op]) -> Any:
        if op is None:
            return self
        return tuple(op.regions[self.index :]) if self.variadic else op.regions[self.index]


def _definition(cls: type[Op]) -> Definition:
    """Read the annotations of `cls` (after those of its bases) and install the accessors."""
    base = cls.definition
    operands, attributes, regions = list(base.operands), list(base.attributes), list(base.regions)
    order = list(base.order)
    hints = typing.get_type_hints(cls)
    for name in inspect.get_annotations(cls):
        hint = hints[name]
        if typing.get_origin(hint) is ClassVar or name in order:
            continue
        if hasattr(Operation, name) or name in _STRUCTURE:
            raise InternalError(f"{cls.__name__} cannot have a field '{name}': every operation has one")
        default = cls.__dict__.get(name, _MISSING)
        order.append(name)
        if (operand := _operand_field(name, hint)) is not None:
            operands.append(operand)
            setattr(cls, name, _OperandAccess(operand))
        elif hint is Region or hint == tuple[Region, ...]:
            setattr(cls, name, _RegionAccess(len(regions), hint is not Region))
            regions.append(RegionField(name, hint is not Region))
        else:
            attribute = AttributeField(name, codec_for(hint), default)
            attributes.append(attribute)
            setattr(cls, name, _AttributeAccess(attribute))
    return Definition(tuple(operands), tuple(attributes), tuple(regions), tuple(order))


def _operand_field(name: str, hint: Any) -> OperandField | None:
    if hint is Value:
        return OperandField(name)
    if typing.get_origin(hint) in (typing.Union, python_types.UnionType) and Value in typing.get_args(hint):
        return OperandField(name, optional=True)
    if hint == tuple[Value, ...]:
        return OperandField(name, variadic=True)
    return None
