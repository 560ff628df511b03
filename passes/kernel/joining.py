"""Make one call of several that follow each other, of a kernel that does the work of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...ir.attributes import SymbolRefAttr
from ...ir.core import Block, Operation, Region, Value
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module
from ...ir.location import fuse
from ...ir.symbols import Dim
from ..analysis.cost import bytes_moved
from .groups import Kind, kind_of

Accept = Callable[[kernel.Func], bool]


class JoinedCalls:
    """The kernels that calls were joined to: equal sequences of calls share one."""

    def __init__(self, module: Module, suffix: str) -> None:
        self.module = module
        self.suffix = suffix
        self.known: dict[object, kernel.Func | None] = {}
        self.replaced: set[kernel.Func] = set()

    def join(
        self, calls: Sequence[kernel.Call], results: Sequence[Value], accept: Accept | None = None
    ) -> kernel.Call | None:
        """One call for `calls`, which give each other values directly or through reshapes, where the last one stands.

        Others go on to read the `results` alone. Where `accept` refuses the joined kernel, nothing changes: None.
        """
        reshapes = _reshapes_between(calls)
        members = [*calls, *_read_only_by(reshapes, calls)]
        inside = {v for op in (*calls, *reshapes) for v in op.results}
        operands = list(dict.fromkeys(v for call in calls for v in call.operands if v not in inside))
        places = {value: place for place, value in enumerate((*operands, *(r for call in calls for r in call.results)))}
        key = (
            tuple(call.callee for call in calls),
            tuple(places.get(_origin(v) if v in inside else v) for call in calls for v in call.operands),
            tuple(places[value] for value in results),
        )
        if key in self.known and self.known[key] is None:
            return None
        func = self.known.get(key) or self._build(calls, reshapes, operands, results)
        joined = kernel.Call(
            tuple(operands),
            SymbolRefAttr(func.sym_name),
            result_types=[value.type for value in results],
            location=fuse(op.location for op in members),
        )
        last = calls[-1]
        assert last.parent is not None
        last.parent.insert_before(joined, last)
        if self.known.get(key) is None and accept is not None and not accept(func):
            joined.erase()
            func.erase()
            self.known[key] = None
            return None
        self.known[key] = func
        func.onnx = tuple(dict.fromkeys((*(func.onnx or ()), *_nodes(members))))
        self.replaced.update(call.kernel for call in calls)
        for value, result in zip(results, joined.results, strict=True):
            result.name = value.name
            value.replace_all_uses_with(result)
        # Those that only others read may stand before the last call, too.
        late = [r for r in _reshapes_of(joined.results) if r not in reshapes and _is_before(r, last)]
        for reshape in reversed([*reshapes, *late]):
            last.parent.insert_after(reshape.detach(), joined)
        _erase_unread([*calls, *reshapes])
        return joined

    def _build(
        self,
        calls: Sequence[kernel.Call],
        reshapes: Sequence[nn.Reshape],
        operands: Sequence[Value],
        results: Sequence[Value],
    ) -> kernel.Func:
        body = Block([value.type for value in operands])
        values: dict[Value, Value] = dict(zip(operands, body.arguments, strict=True))
        for value, argument in zip(operands, body.arguments, strict=True):
            argument.name = value.name
        for call in calls:
            for operand in call.operands:
                _copy_reshapes(operand, values, body)
            inner: dict[Value, Value] = {
                argument: values[value]
                for argument, value in zip(call.kernel.block.arguments, call.operands, strict=True)
            }
            for op in call.kernel.block:
                if not isinstance(op, kernel.Return):
                    body.append(op.clone(inner))
            for result, made in zip(call.results, call.kernel.block.terminator.operands, strict=True):
                values[result] = inner[made]
        body.append(kernel.Return(tuple(values[value] for value in results)))
        flops: Dim = 0
        for call in calls:
            flops = flops + (call.kernel.flops or 0)
        func = kernel.Func(Region(body), self._name(calls), flops=flops, bytes=bytes_moved(operands, results))
        first = calls[0].kernel
        assert first.parent is not None
        first.parent.insert_before(func, first)
        return func

    def _name(self, calls: Sequence[kernel.Call]) -> str:
        base = f"{calls[0].kernel.sym_name}_{self.suffix}"
        taken = self.module.symbols()
        return next(name for n in range(1, len(taken) + 2) if (name := f"{base}{n if n > 1 else ''}") not in taken)

    def drop_unused(self) -> None:
        """Remove kernels all of whose calls were joined."""
        called = {op.callee.name for op in self.module.main.walk() if isinstance(op, kernel.Call)}
        for func in self.replaced:
            if func.sym_name not in called:
                func.erase()


def _reshapes_of(values: Sequence[Value]) -> Iterator[nn.Reshape]:
    """The reshapes of values, and those of theirs."""
    for value in values:
        for user in value.users:
            if isinstance(user, nn.Reshape):
                yield user
                yield from _reshapes_of([user.result])


def _is_before(op: Operation, other: Operation) -> bool:
    return op.parent is other.parent and op.is_before(other)


def _origin(value: Value) -> Value:
    while isinstance(value.owner, nn.Reshape):
        value = value.owner.x
    return value


def _reshapes_between(calls: Sequence[kernel.Call]) -> list[nn.Reshape]:
    """The reshapes of results of some calls that others of them read, each after those it reads."""
    made = {result for call in calls for result in call.results}
    found: list[nn.Reshape] = []
    for call in calls:
        for value in call.operands:
            chain: list[nn.Reshape] = []
            while isinstance(value.owner, nn.Reshape):
                chain.append(value.owner)
                value = value.owner.x
            if value in made:
                found += [op for op in reversed(chain) if op not in found]
    return found


def _read_only_by(reshapes: Sequence[nn.Reshape], calls: Sequence[kernel.Call]) -> list[nn.Reshape]:
    """The reshapes that nobody but some calls and their reshapes reads: they are no views of their own any more."""
    inside = set[Operation](calls).union(reshapes)
    return [op for op in reshapes if all(user in inside for user in op.result.users)]


def _copy_reshapes(value: Value, values: dict[Value, Value], body: Block) -> None:
    """Reshape in the kernel what was reshaped between its parts."""
    if value not in values and isinstance(value.owner, nn.Reshape):
        _copy_reshapes(value.owner.x, values, body)
        values[value] = body.append(value.owner.clone({value.owner.x: values[value.owner.x]})).results[0]


def _erase_unread(ops: Sequence[Operation]) -> None:
    """Erase the ops of a sequence that nobody reads any more."""
    left = list(ops)
    while unread := [op for op in left if not any(result.uses for result in op.results)]:
        for op in unread:
            op.erase()
            left.remove(op)


def _nodes(ops: Sequence[Operation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(node for op in ops for node in op.location.names))


def is_pointwise(call: kernel.Call) -> bool:
    """Whether a kernel computes each element of its one result from a few elements."""
    kinds = {kind_of(op) for op in call.kernel.block if not isinstance(op, kernel.Return)}
    return len(call.results) == 1 and kinds <= {Kind.ELEMENTWISE, Kind.VIEW}


def readers(value: Value) -> Iterator[Operation]:
    """The ops that read `value` or a reshape of it."""
    for user in value.users:
        if isinstance(user, nn.Reshape):
            yield from readers(user.result)
        else:
            yield user
