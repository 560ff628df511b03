"""Whether a module obeys the rules of the IR: each op's own, and those between ops."""

from __future__ import annotations

from collections.abc import Iterator

from .attributes import ArrayAttr, Attribute, DictAttr, SymbolRefAttr
from .core import Block, BlockArgument, Operation, OpResult, Region, Value
from .declare import ISOLATED, NO_TERMINATOR, TERMINATOR, Op
from .diagnostics import CompileError, Diagnostic, VerifyError, suggest
from .symbols import Expr, free_symbols, is_run_time
from .types import TensorType

_LONGEST_LINE = 240
_READ_SIZES = "nn.read_sizes"


def verify(root: Operation) -> None:
    """Check `root` and everything inside it.

    Every op's own `verify`; that values are defined before they are used, in the same block or around it, and that
    isolated ops use none from outside; terminators; use lists and parents; names of symbols and references to them;
    that sizes of run time are read before they are in types.
    Raises VerifyError with a diagnostic for each op that breaks a rule.
    """
    found = [d for op in root.walk() for d in _own_rules(op)]
    verifier = _Verifier()
    verifier.visit(root)
    found += verifier.found
    if found:
        raise VerifyError(*found)


def _own_rules(op: Operation) -> Iterator[Diagnostic]:
    try:
        op.verify()
    except CompileError as error:
        yield from (_with_line(d, op) for d in error.diagnostics)
    except (ValueError, TypeError, KeyError, IndexError, AssertionError) as error:
        # Type and shape rules meet operands no declaration expects; what they stumble over is the user's to mend.
        yield _diagnostic(op, f"is malformed: {error}")


def _diagnostic(op: Operation, message: str) -> Diagnostic:
    try:
        op.fail(message)
    except VerifyError as error:
        return _with_line(error.diagnostics[0], op)


def _with_line(diagnostic: Diagnostic, op: Operation) -> Diagnostic:
    """`diagnostic`, with the text of `op` where there is no source to point into."""
    if diagnostic.location.position is not None:
        return diagnostic
    line = str(op).partition("\n")[0]
    line = line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…"
    return Diagnostic(diagnostic.message, diagnostic.location, diagnostic.severity, (*diagnostic.notes, f"in: {line}"))


class _Verifier:
    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.visible: dict[Value, None] = {}
        self.tables: list[dict[str, Operation]] = []
        self.read: set[str] | None = None
        """The sizes of run time that are known where the walk is; None outside of functions."""

    def report(self, op: Operation, message: str) -> None:
        self.found.append(_diagnostic(op, message))

    def visit(self, op: Operation) -> None:
        self._operands(op)
        self._uses(op)
        if isinstance(op, Op):
            self._references(op)
        outside, read = self.visible, self.read
        if ISOLATED in op.traits:
            self.visible = {}
            self.read = set() if op.name == "func.func" else None
        elif read is not None:
            self._sizes(op, read)
        for region in op.regions:
            if region.parent is not op:
                self.report(op, "has a region that belongs to another op")
            around, self.read = self.read, None if self.read is None else set(self.read)
            self._region(op, region)
            self.read = around
        self.visible, self.read = outside, read
        self.visible.update(dict.fromkeys(op.results))

    def _region(self, op: Operation, region: Region) -> None:
        is_table = op.name == "builtin.module"
        if is_table:
            self.tables.append(self._symbols(region))
        outside = len(self.visible)
        for block in region.blocks:
            if block.parent is not region:
                self.report(op, "has a block that belongs to another region")
            self._block(op, block)
        while len(self.visible) > outside:
            self.visible.popitem()
        if is_table:
            self.tables.pop()

    def _block(self, op: Operation, block: Block) -> None:
        self.visible.update(dict.fromkeys(block.arguments))
        for inner in block:
            if inner.parent is not block:
                self.report(inner, "is in a block that does not know it")
            if TERMINATOR in inner.traits and inner is not block.last:
                self.report(inner, "ends a block, yet other ops follow it")
            self.visit(inner)
        last = block.last
        if isinstance(op, Op) and not op.has(NO_TERMINATOR):
            if last is None:
                self.report(op, "has an empty block; a block ends with a terminator")
            elif isinstance(last, Op) and not last.has(TERMINATOR):
                self.report(last, f"ends a block of '{op.name}' and is no terminator")

    def _operands(self, op: Operation) -> None:
        for i, value in enumerate(op.operands):
            if (op, i) not in value.uses:
                self.report(op, f"operand {i} does not know this use; change operands with set_operand")
            if value not in self.visible:
                self.report(op, f"operand {i} {_why_invisible(value, op)}")

    def _sizes(self, op: Operation, read: set[str]) -> None:
        if op.name == _READ_SIZES:
            read.update(getattr(op, "symbols", ()))
            return
        for result in op.results:
            shape = result.type.shape if isinstance(result.type, TensorType) else None
            names = {name for dim in shape or () if isinstance(dim, Expr) for name in free_symbols(dim)}
            for name in sorted(name for name in names - read if is_run_time(name)):
                self.report(op, f"has a result of the size '{name}', which no '{_READ_SIZES}' before it reads")

    def _uses(self, op: Operation) -> None:
        for result in op.results:
            for user, i in result.uses:
                if i >= len(user.operands) or user.operands[i] is not result:
                    self.report(op, f"lists a use by '{user.name}' that has another operand there")

    def _symbols(self, region: Region) -> dict[str, Operation]:
        table: dict[str, Operation] = {}
        for block in region.blocks:
            for op in block:
                name = op.symbol
                if name is not None and name in table:
                    self.report(op, f"has the symbol @{name}, which '{table[name].name}' has already")
                elif name is not None:
                    table[name] = op
        return table

    def _references(self, op: Operation) -> None:
        for attribute in op.attributes.values():
            for reference in _symbol_references(attribute):
                if not self._resolves(reference):
                    known = [name for table in self.tables for name in table]
                    self.report(op, f"refers to {reference}, which is not there{suggest(reference.name, known)}")

    def _resolves(self, reference: SymbolRefAttr) -> bool:
        found = next((t[reference.name] for t in reversed(self.tables) if reference.name in t), None)
        for name in reference.nested:
            inside = [op for region in found.regions for block in region.blocks for op in block] if found else []
            found = next((op for op in inside if op.symbol == name), None)
        return found is not None or not self.tables


def _symbol_references(attribute: Attribute) -> Iterator[SymbolRefAttr]:
    if isinstance(attribute, SymbolRefAttr):
        yield attribute
    elif isinstance(attribute, ArrayAttr):
        for value in attribute.values:
            yield from _symbol_references(value)
    elif isinstance(attribute, DictAttr):
        for _, value in attribute.items:
            yield from _symbol_references(value)


def _why_invisible(value: Value, op: Operation) -> str:
    if isinstance(value, OpResult):
        what, definition = f"is a result of '{value.op.name}'", value.op
    elif isinstance(value, BlockArgument):
        region = value.block.parent
        what, definition = "is a block argument", region.parent if region is not None else None
    else:
        return "is a value that nothing defines"
    if definition is None or (isinstance(value, OpResult) and definition.parent is None):
        return f"{what} that is not in the module"
    around = _isolated_around(op)
    if isinstance(value, OpResult) and any(ancestor.parent is definition.parent for ancestor in op.ancestors()):
        return f"{what} and is used before it is defined"
    if around is not None and definition is not around and _isolated_around(definition) is not around:
        return f"{what} outside '{around.name}', which uses no values from outside"
    return f"{what} of a region that this op is not in"


def _isolated_around(op: Operation) -> Operation | None:
    return next((outer for outer in op.ancestors() if outer is not op and ISOLATED in outer.traits), None)
