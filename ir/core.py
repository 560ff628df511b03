"""The structure of the IR: values with use lists, operations, blocks and regions, all mutable in place.

An `Operation` lives in a `Block` (a linked list, so inserting and erasing while walking is cheap and safe), a block
in a `Region`, a region in an operation. Declared ops subclass `declare.Op`; a plain `Operation` is an op of a dialect
that nobody declared, which parses, prints and clones like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, NoReturn

from .attributes import Attribute, StringAttr
from .diagnostics import Diagnostic, VerifyError
from .location import UNKNOWN, Location
from .printer import print_op
from .types import Type


class Value:
    """Something an op computes or a block receives; knows every operand slot that reads it."""

    __slots__ = ("name", "type", "uses")

    def __init__(self, type: Type, name: str | None = None) -> None:
        self.type = type
        self.name = name
        self.uses: dict[tuple[Operation, int], None] = {}

    @property
    def owner(self) -> Operation | Block:
        raise TypeError("a bare Value has no owner")

    @property
    def users(self) -> list[Operation]:
        """The ops that read this value, each once, in order of first use."""
        return list(dict.fromkeys(op for op, _ in self.uses))

    @property
    def has_one_use(self) -> bool:
        return len(self.uses) == 1

    def replace_all_uses_with(self, other: Value) -> None:
        for op, index in list(self.uses):
            op.set_operand(index, other)


class OpResult(Value):
    __slots__ = ("index", "op")

    def __init__(self, type: Type, op: Operation, index: int) -> None:
        super().__init__(type)
        self.op = op
        self.index = index

    @property
    def owner(self) -> Operation:
        return self.op


class BlockArgument(Value):
    __slots__ = ("block", "index")

    def __init__(self, type: Type, block: Block, index: int) -> None:
        super().__init__(type)
        self.block = block
        self.index = index

    @property
    def owner(self) -> Block:
        return self.block


class Operation:
    """An op: name, operands, results, attributes, regions, location. Ops hash and compare by identity."""

    op_name: ClassVar[str] = ""
    traits: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        name: str,
        operands: Sequence[Value] = (),
        result_types: Sequence[Type] = (),
        attributes: Mapping[str, Attribute] | None = None,
        regions: Sequence[Region] = (),
        location: Location = UNKNOWN,
    ) -> None:
        self.name = name
        self.location = location
        self.attributes: dict[str, Attribute] = dict(attributes or {})
        self.parent: Block | None = None
        self.prev: Operation | None = None
        self.next: Operation | None = None
        self._operands: list[Value] = []
        self.results: list[OpResult] = []
        for type in result_types:
            self.add_result(type)
        self.regions: list[Region] = []
        for region in regions:
            self.add_region(region)
        self.set_operands(operands)

    # Operands and results

    @property
    def operands(self) -> tuple[Value, ...]:
        return tuple(self._operands)

    def set_operands(self, operands: Iterable[Value]) -> None:
        for i, old in enumerate(self._operands):
            del old.uses[self, i]
        self._operands = list(operands)
        for i, new in enumerate(self._operands):
            new.uses[self, i] = None

    def set_operand(self, index: int, value: Value) -> None:
        del self._operands[index].uses[self, index]
        self._operands[index] = value
        value.uses[self, index] = None

    def add_result(self, type: Type) -> OpResult:
        self.results.append(OpResult(type, self, len(self.results)))
        return self.results[-1]

    @property
    def result(self) -> OpResult:
        """The only result. Raises ValueError where there is none or several."""
        if len(self.results) != 1:
            raise ValueError(f"'{self.name}' has {len(self.results)} results, not one")
        return self.results[0]

    def replace_all_uses_with(self, values: Sequence[Value]) -> None:
        for old, new in zip(self.results, values, strict=True):
            old.replace_all_uses_with(new)

    # Place in the tree

    def add_region(self, region: Region) -> None:
        region.parent = self
        self.regions.append(region)

    @property
    def parent_op(self) -> Operation | None:
        region = self.parent.parent if self.parent else None
        return region.parent if region else None

    def ancestors(self) -> Iterator[Operation]:
        """This op, the op around it, and so on outward."""
        op: Operation | None = self
        while op is not None:
            yield op
            op = op.parent_op

    def walk(self) -> Iterator[Operation]:
        """This op, then every op inside it, in textual order; ops may be erased or inserted on the way."""
        yield self
        for region in list(self.regions):
            for block in list(region.blocks):
                for op in block:
                    yield from op.walk()

    def detach(self) -> Operation:
        """Take this op out of its block; its operands and uses stay."""
        if self.parent is not None:
            self.parent.remove(self)
        return self

    def erase(self) -> None:
        """Remove this op and everything inside it. Raises ValueError where a result is still used."""
        for result in self.results:
            if result.uses:
                raise ValueError(f"'{self.name}' cannot be erased: '{result.users[0].name}' uses its result")
        self.detach()
        self.drop_operands()

    def drop_operands(self) -> None:
        """Let go of the operands of this op and of all ops inside it."""
        for op in self.walk():
            op.set_operands(())

    def is_before(self, other: Operation) -> bool:
        """Whether this op stands before `other`; both in one block."""
        assert self.parent is not None and self.parent is other.parent
        return self.parent.order(self) < self.parent.order(other)

    # Attributes

    @property
    def symbol(self) -> str | None:
        """The name other ops refer to this op by."""
        attribute = self.attributes.get("sym_name")
        return attribute.value if isinstance(attribute, StringAttr) else None

    # Copies

    def clone(self, mapping: dict[Value, Value] | None = None) -> Operation:
        """A detached copy; operands are looked up in `mapping`, which learns the results and inner values."""
        mapping = {} if mapping is None else mapping
        copy = self._empty_copy([mapping.get(v, v) for v in self._operands])
        for old, new in zip(self.results, copy.results, strict=True):
            mapping[old] = new
            new.name = old.name
        for region in self.regions:
            copy.add_region(region.clone(mapping))
        return copy

    def _empty_copy(self, operands: Sequence[Value]) -> Operation:
        copy = object.__new__(type(self))
        Operation.__init__(
            copy, self.name, operands, [r.type for r in self.results], self.attributes, (), self.location
        )
        return copy

    def __str__(self) -> str:
        return print_op(self)

    # Rules

    def require(self, condition: object, message: str) -> None:
        """Raise a VerifyError `'op' message` at this op unless `condition` holds."""
        if not condition:
            self.fail(message)

    def fail(self, message: str) -> NoReturn:
        raise VerifyError(Diagnostic(f"'{self.name}' {message}", self.location, notes=self._notes()))

    def _notes(self) -> tuple[str, ...]:
        if not self.location.names:
            return ()
        return (f"from ONNX node {', '.join(repr(name) for name in self.location.names)}",)

    def verify(self) -> None:
        """Check this op's own rules. Raises VerifyError. Declared ops check operands, attributes and result types."""


class Block:
    """Arguments and a list of ops."""

    def __init__(self, argument_types: Sequence[Type] = (), ops: Iterable[Operation] = ()) -> None:
        self.parent: Region | None = None
        self.arguments: list[BlockArgument] = []
        self.first: Operation | None = None
        self.last: Operation | None = None
        self._order: dict[Operation, int] | None = None
        for type in argument_types:
            self.add_argument(type)
        for op in ops:
            self.append(op)

    def add_argument(self, type: Type, name: str | None = None) -> BlockArgument:
        argument = BlockArgument(type, self, len(self.arguments))
        argument.name = name
        self.arguments.append(argument)
        return argument

    def __iter__(self) -> Iterator[Operation]:
        op = self.first
        while op is not None:
            following = op.next
            yield op
            # An op that is still here may have gained a successor; one that was erased has lost its own.
            op = op.next if op.parent is self else following

    def __reversed__(self) -> Iterator[Operation]:
        op = self.last
        while op is not None:
            preceding = op.prev
            yield op
            op = preceding

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def terminator(self) -> Operation:
        """The last op. Raises ValueError for an empty block."""
        if self.last is None:
            raise ValueError("the block is empty")
        return self.last

    def append(self, op: Operation) -> Operation:
        return self._link(op, self.last, None)

    def insert_before(self, op: Operation, anchor: Operation) -> Operation:
        return self._link(op, anchor.prev, anchor)

    def insert_after(self, op: Operation, anchor: Operation) -> Operation:
        return self._link(op, anchor, anchor.next)

    def _link(self, op: Operation, prev: Operation | None, next: Operation | None) -> Operation:
        if op.parent is not None:
            raise ValueError(f"'{op.name}' is already in a block; detach it first")
        op.parent, op.prev, op.next = self, prev, next
        if prev is None:
            self.first = op
        else:
            prev.next = op
        if next is None:
            self.last = op
        else:
            next.prev = op
        self._order = None
        return op

    def remove(self, op: Operation) -> None:
        """Unlink `op`; it keeps its operands."""
        if op.prev is None:
            self.first = op.next
        else:
            op.prev.next = op.next
        if op.next is None:
            self.last = op.prev
        else:
            op.next.prev = op.prev
        op.parent = op.prev = op.next = None
        self._order = None

    def order(self, op: Operation) -> int:
        """The position of `op`; counted once until the block changes."""
        if self._order is None:
            self._order = {o: i for i, o in enumerate(self)}
        return self._order[op]


class Region:
    """A list of blocks; every region of ours has one."""

    def __init__(self, *blocks: Block) -> None:
        self.parent: Operation | None = None
        self.blocks: list[Block] = []
        for block in blocks:
            self.add_block(block)

    def add_block(self, block: Block) -> Block:
        block.parent = self
        self.blocks.append(block)
        return block

    @property
    def block(self) -> Block:
        """The only block. Raises ValueError where there is none or several."""
        if len(self.blocks) != 1:
            raise ValueError(f"the region has {len(self.blocks)} blocks, not one")
        return self.blocks[0]

    def clone(self, mapping: dict[Value, Value]) -> Region:
        copy = Region()
        for block in self.blocks:
            new = copy.add_block(Block())
            for argument in block.arguments:
                mapping[argument] = new.add_argument(argument.type, argument.name)
            for op in block:
                new.append(op.clone(mapping))
        return copy
