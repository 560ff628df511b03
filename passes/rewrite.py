"""Local rewriting: patterns on one op class, the rewriter they change the IR through, and the greedy driver.

    @pattern(Relu)
    def relu_of_relu(op: Relu, rw: Rewriter) -> None:
        \"\"\"relu(relu(x)) = relu(x)\"\"\"
        if isinstance(inner := op.x.owner, Relu):
            rw.replace(op, inner)

A pattern is a plain function that returns where it does not apply. The driver tries patterns until none fires,
removes pure ops that nobody reads, and refuses rules that undo each other.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from ..ir.core import Block, Operation, Value
from ..ir.declare import PURE
from ..ir.diagnostics import CompileError, Diagnostic, InternalError
from ..ir.dialects.builtin import Module
from ..ir.location import UNKNOWN, fuse
from .base import Pass, PassContext

OpT = TypeVar("OpT", bound=Operation)
Replacement = Operation | Value | Sequence[Value]

_FIRINGS_PER_OP = 64
_FIRINGS_AT_LEAST = 1024
_RECENT = 64


@dataclass(frozen=True)
class Pattern:
    """A rewrite rule for the ops of some classes; its name is that of its function."""

    classes: tuple[type[Operation], ...]
    function: Callable[[Any, Rewriter], None]

    @property
    def name(self) -> str:
        return self.function.__name__


CANONICALIZATIONS: list[Pattern] = []
"""The patterns that `canonicalize` applies."""


def pattern(*classes: type[OpT]) -> Callable[[Callable[[OpT, Rewriter], None]], Pattern]:
    """Make a function `(op, rewriter) -> None` a pattern for the ops of `classes` and of their subclasses."""
    return lambda function: Pattern(classes, function)


def canonicalization(*classes: type[OpT]) -> Callable[[Callable[[OpT, Rewriter], None]], Pattern]:
    """Like `pattern`, and `canonicalize` applies it."""

    def register(function: Callable[[OpT, Rewriter], None]) -> Pattern:
        CANONICALIZATIONS.append(Pattern(classes, function))
        return CANONICALIZATIONS[-1]

    return register


class Rewriter:
    """All changes of a pattern go through here, so that the driver knows which ops to look at again."""

    def __init__(self, context: PassContext) -> None:
        self.context = context
        self.fired = False
        self._root: Operation | None = None
        self._queue: deque[Operation] = deque()
        self._queued: set[Operation] = set()

    def insert(self, op: OpT, before: Operation | None = None) -> OpT:
        """Put a detached op before `before`, by default before the op the pattern looks at."""
        anchor = before or self._root
        assert anchor is not None
        return self._place(op, anchor, _block(anchor).insert_before)

    def insert_after(self, op: OpT, anchor: Operation) -> OpT:
        return self._place(op, anchor, _block(anchor).insert_after)

    def _place(self, op: OpT, anchor: Operation, link: Callable[[Operation, Operation], Operation]) -> OpT:
        if op.location == UNKNOWN:
            op.location = anchor.location
        link(op, anchor)
        self._changed(op)
        return op

    def replace(self, op: Operation, by: Replacement, merging: Iterable[Operation] = ()) -> None:
        """Let the users of `op` read `by` instead and erase `op`.

        A detached op is inserted in the place of `op` and carries the names of both, of the ops `merging` that it does
        the work of, and of those that nobody else reads. Values are taken in the order of the results.
        """
        values: Sequence[Value] = [by] if isinstance(by, Value) else by.results if isinstance(by, Operation) else by
        if len(values) != len(op.results):
            raise InternalError(f"'{op.name}' has {len(op.results)} results and is replaced by {len(values)} values")
        if isinstance(by, Operation) and by.parent is None:
            by.location = fuse([*(m.location for m in merging), by.location, op.location])
            _block(op).insert_before(by, op)
            self._changed(by)
        for old, new in zip(op.results, values, strict=True):
            new.name = new.name or old.name
        self._changed(*(user for old in op.results for user in old.users))
        op.replace_all_uses_with(values)
        operands = op.operands
        self.erase(op)
        if isinstance(by, Operation):
            unread = _unread(operands)
            by.location = fuse([by.location, *(other.location for other in unread)])
            for other in unread:
                self.erase(other)

    def erase(self, op: Operation) -> None:
        """Remove an op whose results nobody reads; one that went with its last reader is gone already."""
        if op.parent is None:
            return
        producers = [v.owner for inner in op.walk() for v in inner.operands if isinstance(v.owner, Operation)]
        for inner in op.walk():
            self._queued.discard(inner)
        op.erase()
        self._changed(*(p for p in producers if p.parent is not None))

    def modified(self, op: Operation) -> None:
        """Say that a pattern changed `op` in place: its attributes or operands."""
        self._changed(op, *(user for result in op.results for user in result.users))

    def remark(self, op: Operation, message: str) -> None:
        """Say why a rule was not applied at `op`."""
        self.context.remark(op, message)

    def _changed(self, *ops: Operation) -> None:
        self.fired = True
        for op in ops:
            self._enqueue(op)

    def _enqueue(self, op: Operation) -> None:
        if op not in self._queued:
            self._queued.add(op)
            self._queue.append(op)


def _unread(values: Iterable[Value]) -> list[Operation]:
    """The ops, constants aside, that nobody reads now that nobody reads `values`, readers before what they read."""
    found: dict[Operation, None] = {}
    pending = [value.owner for value in values]
    while pending:
        op = pending.pop()
        if not isinstance(op, Operation) or op in found or PURE not in op.traits or not op.operands:
            continue
        if all(user in found for result in op.results for user in result.users):
            found[op] = None
            pending += [value.owner for value in op.operands]
    return list(found)


def _block(op: Operation) -> Block:
    if op.parent is None:
        raise InternalError(f"'{op.name}' is in no block, so nothing can be inserted beside it")
    return op.parent


class GreedyDriver(Rewriter):
    """Applies patterns to a module until none fires."""

    def __init__(self, patterns: Iterable[Pattern], context: PassContext) -> None:
        super().__init__(context)
        self._patterns = tuple(patterns)
        self._by_class: dict[type[Operation], tuple[Pattern, ...]] = {}
        self.firings: Counter[str] = Counter()
        self._recent: deque[str] = deque(maxlen=_RECENT)

    def run(self, root: Operation) -> None:
        """Rewrite everything inside `root`. Raises CompileError where the rules never come to an end."""
        for op in root.walk():
            if op is not root:
                self._enqueue(op)
        limit = max(_FIRINGS_AT_LEAST, _FIRINGS_PER_OP * len(self._queue))
        while self._queue:
            op = self._queue.popleft()
            if op not in self._queued:
                continue
            self._queued.discard(op)
            if is_dead(op):
                self.erase(op)
                self.context.mark_changed()
            else:
                self._visit(op)
            if self.firings.total() > limit:
                raise self._endless()

    def _visit(self, op: Operation) -> None:
        for rule in self._matching(type(op)):
            self._root, self.fired = op, False
            rule.function(op, self)
            if self.fired:
                self.firings[rule.name] += 1
                self._recent.append(rule.name)
                self.context.count(rule.name)
                if op.parent is not None:
                    self._enqueue(op)
                return

    def _matching(self, cls: type[Operation]) -> tuple[Pattern, ...]:
        found = self._by_class.get(cls)
        if found is None:
            found = tuple(p for p in self._patterns if issubclass(cls, p.classes))
            self._by_class[cls] = found
        return found

    def _endless(self) -> CompileError:
        names = [name for name, _ in Counter(self._recent).most_common(2)]
        rules = " and ".join(f"'{name}'" for name in names)
        problem = "undo each other" if len(names) > 1 else "fires on its own result"
        return CompileError(
            Diagnostic(
                f"rewriting does not end: {rules} {problem}",
                self._root.location if self._root else UNKNOWN,
                notes=(f"stopped after {self.firings.total()} rewrites", "make the rules agree on one form"),
            )
        )


def is_dead(op: Operation) -> bool:
    """Whether nothing would be lost with `op`: it is pure and nobody reads it."""
    return PURE in op.traits and op.parent is not None and not any(result.uses for result in op.results)


def apply_patterns(module: Operation, patterns: Iterable[Pattern], context: PassContext) -> Counter[str]:
    """Apply `patterns` everywhere in `module` until none fires; how often each rule did."""
    driver = GreedyDriver(patterns, context)
    driver.run(module)
    return driver.firings


class PatternPass(Pass):
    """A pass that applies its `patterns` until none fires."""

    patterns: ClassVar[tuple[Pattern, ...]] = ()

    def run(self, module: Module, context: PassContext) -> None:
        apply_patterns(module, self.patterns, context)
