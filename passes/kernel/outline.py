"""Move a group of ops into a `kernel.func` of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...ir.attributes import SymbolRefAttr
from ...ir.core import Block, Operation, Region, Value
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module
from ...ir.location import Location, fuse
from ...ir.symbols import Dim
from ..analysis.cost import bytes_moved, operations
from .groups import Group, reaches_sink_in_place


class KernelNames:
    """Symbols for kernels, made of the ONNX names of their roots; unique in a module."""

    def __init__(self, module: Module) -> None:
        self._taken = set(module.symbols())

    def fresh(self, group: Group) -> str:
        op = group.root or group.sink
        names = op.location.names or group.sink.location.names
        base = re.sub(r"\W+", "_", names[0]).strip("_") if names else op.name.rpartition(".")[2]
        base = f"k{base}" if not base or base[0].isdigit() else base
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name


def outline(group: Group, block: Block, module: Module, names: KernelNames) -> kernel.Func:
    """Replace the ops of `group` in `block` by a call of a new kernel that contains them."""
    ops = [op for op in block if op in group.ops]
    inputs = _inputs(ops, group.ops)
    sink = group.sink
    function = kernel_of(ops, inputs, sink.results, names.fresh(group))
    function.in_place = overwritable(inputs, group) or None
    module.block.insert_before(function, module.main)
    result_types = [result.type for result in sink.results]
    callee = SymbolRefAttr(function.sym_name)
    call = kernel.Call(tuple(inputs), callee, result_types=result_types, location=_origin(ops))
    block.insert_before(call, sink)
    for result, new in zip(sink.results, call.results, strict=True):
        new.name = result.name
    sink.replace_all_uses_with(call.results)
    for op in reversed(ops):
        op.erase()
    return function


def kernel_of(
    ops: Sequence[Operation], inputs: Sequence[Value], results: Sequence[Value], name: str = "kernel"
) -> kernel.Func:
    """A kernel of copies of `ops`, which read `inputs` and each other."""
    body = Block([value.type for value in inputs])
    mapping: dict[Value, Value] = dict(zip(inputs, body.arguments, strict=True))
    for value, argument in zip(inputs, body.arguments, strict=True):
        argument.name = value.name
    for op in ops:
        body.append(op.clone(mapping))
    body.append(kernel.Return(tuple(mapping[result] for result in results)))
    return kernel.Func(
        Region(body),
        name,
        onnx=_origin(ops).names,
        flops=_total(ops),
        bytes=bytes_moved(inputs, results),
    )


def _origin(ops: Sequence[Operation]) -> Location:
    """The nodes that a kernel does the work of."""
    return fuse(op.location for op in ops if not isinstance(op, nn.Constant))


def _inputs(ops: list[Operation], inside: set[Operation]) -> list[Value]:
    """The values the ops read from outside, each once, in order of first use."""
    values = (v for op in ops for v in op.operands if v.owner not in inside)
    return list(dict.fromkeys(values))


def overwritable(inputs: list[Value], group: Group) -> tuple[int, ...]:
    """The inputs of the result's type that are read at no other index than the result is written at."""
    wanted = [result.type for result in group.sink.results]
    return tuple(i for i, value in enumerate(inputs) if [value.type] == wanted and reaches_sink_in_place(value, group))


def _total(ops: Sequence[Operation]) -> Dim:
    total: Dim = 0
    for op in ops:
        total = total + operations(op)
    return total


def merge_equal(module: Module) -> None:
    """Keep one of each set of kernels that differ in name and origin only, and point all calls at it."""
    kept: dict[str, kernel.Func] = {}
    replaced: dict[str, str] = {}
    for function in [op for op in module.block if isinstance(op, kernel.Func)]:
        first = kept.setdefault(fingerprint(function), function)
        if first is not function:
            replaced[function.sym_name] = first.sym_name
            first.onnx = (*(first.onnx or ()), *(function.onnx or ()))
            function.drop_operands()
            function.erase()
    for call in module.main.walk():
        if isinstance(call, kernel.Call) and call.callee.name in replaced:
            call.callee = SymbolRefAttr(replaced[call.callee.name])


def fingerprint(function: kernel.Func) -> str:
    """A text that is equal for kernels that compute the same: the body with values numbered and no locations."""
    numbers: dict[Value, int] = {}

    def number(value: Value) -> int:
        return numbers.setdefault(value, len(numbers))

    lines = [str([(number(a), str(a.type)) for a in function.block.arguments])]
    for op in function.block:
        attributes = sorted((name, str(attribute)) for name, attribute in op.attributes.items())
        results = [(number(r), str(r.type)) for r in op.results]
        lines.append(f"{op.name} {[number(v) for v in op.operands]} {attributes} {results}")
    return "\n".join(lines)
