"""Turn `main` into run-time steps over buffers."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Sequence
from typing import ClassVar

import numpy as np

from ...ir.attributes import DenseAttr, DictAttr, StringAttr
from ...ir.core import Block, Operation, Region, Value
from ...ir.diagnostics import CompileError
from ...ir.dialects import host, kernel, nn, plan
from ...ir.dialects.builtin import Func, Module, Return
from ...ir.dialects.nn.base import tensor_type
from ...ir.location import UNKNOWN
from ...ir.symbols import RUN_TIME, Dim, Expr, free_symbols, mul, symbol
from ...ir.types import FunctionType, TensorType
from ..analysis.blocks import blocks_of
from ..analysis.sub_buffers import SharedMemory, origin, shared_memory
from ..base import Pass, PassContext


class LowerToPlan(Pass):
    """Give every tensor of `main` a buffer and turn kernel calls into launches.

    A reshape is an alias of its operand. The parts of a concatenation along the outermost dim are made in its memory,
    and such slices are read where they lie (analysis/sub_buffers.py). A result that the function returns is made in the
    output's memory; where that cannot be (it is an input, a weight, or returned twice) it is copied. A kernel may write
    over an operand of the same type that nobody reads afterwards, where its `in_place` says that it reads each element
    before it writes it.
    `nn.if` and `nn.loop` become steps with steps in them; all memory is named outside. The host reads their conditions.

    Before:
        %1 = "kernel.call"(%x) {callee = @relu} : (tensor<4xf32>) -> tensor<4xf32>
        return %1 : tensor<4xf32>
    After:
        %x = "plan.input"() {index = 0 : i64, tensor_name = "x"} : () -> !plan.buffer<tensor<4xf32>>
        %y = "plan.output"() {index = 0 : i64, tensor_name = "y"} : () -> !plan.buffer<tensor<4xf32>>
        "plan.launch"(%x, %y) {callee = @relu, written = 1 : i64} : (…) -> ()
    """

    name: ClassVar[str] = "lower-to-plan"

    in_place: bool = True

    def run(self, module: Module, context: PassContext) -> None:
        _Lowering(module, self.in_place).run()


class _Lowering:
    def __init__(self, module: Module, in_place: bool) -> None:
        self.module = module
        self.main = module.main
        self.in_place = in_place
        self.block = Block()
        self.steps = self.block
        """Where steps go: into `block`, where all memory is named, or a region of control flow."""
        self.buffer: dict[Value, Value] = {}
        self.labels = itertools.count()
        self.last_reader = _last_readers(self.main)
        self.shared: set[Value] = set()
        """Memory of several tensors, which no kernel may overwrite for one of them."""

    def run(self) -> None:
        main = self.main
        for index, argument in enumerate(main.block.arguments):
            name = tensor_name(main.arg_attrs, index, f"input_{index}")
            self.define(argument, plan.Input(index, name, result_types=[_buffer(argument)]))
        self.claim_outputs()
        self.place_parts()
        for op in main.block:
            self.lower(op)
        self.block.append(Return())
        self.replace_main()

    def define(self, value: Value, memory: plan.Memory) -> None:
        self.block.append(memory)
        memory.result.name = value.name
        self.buffer[value] = memory.result

    def claim_outputs(self) -> None:
        """Let the op that makes a returned value write into the output's memory."""
        returned = self.main.block.terminator.operands
        self.outputs: list[Value] = []
        for index, value in enumerate(returned):
            name = tensor_name(self.main.res_attrs, index, f"output_{index}")
            output = plan.Output(index, name, result_types=[_buffer(value)])
            self.block.append(output)
            output.result.name = value.name
            self.outputs.append(output.result)
            made = origin(value)
            early = _has_place_before(self.main, value, made)
            makers = kernel.Call | host.Call | nn.Concat | nn.If | nn.Loop
            if isinstance(made.owner, makers) and made not in self.buffer and early:
                self.buffer[made] = self.alias(output.result, made)

    def place_parts(self) -> None:
        """Give tensors that share memory their places in it."""
        for region in shared_memory(self.main, lambda op: isinstance(op, kernel.Call)):
            whole = next((self.buffer[v] for v in region.offsets if v in self.buffer), None) or self.whole(region)
            self.shared.add(plan.memory_of(whole))
            for value, offset in region.offsets.items():
                self.buffer[value] = self.alias(whole, value, offset)

    def whole(self, region: SharedMemory) -> Value:
        """New memory for all of a region."""
        if region.whole is not None:
            return self.arena(region.whole)
        dtype = tensor_type(next(iter(region.offsets))).scalar
        type = plan.buffer_type(TensorType((region.end // dtype.bytes,), dtype))
        op = plan.Arena(f"b{next(self.labels)}", result_types=[type])
        self.block.append(op)
        return op.result

    def arena(self, value: Value) -> Value:
        """New memory for the tensor `value`."""
        location = value.owner.location if isinstance(value.owner, Operation) else UNKNOWN
        op = plan.Arena(f"b{next(self.labels)}", result_types=[_buffer(value)], location=location)
        op.result.name = value.name
        self.block.append(op)
        return op.result

    def alias(self, source: Value, value: Value, offset: int = 0) -> Value:
        """Memory of `source`, from `offset` bytes on, as the tensor `value`."""
        if source.type == _buffer(value) and offset == 0:
            return source
        origin = value.owner.location if isinstance(value.owner, nn.Reshape | nn.Concat) else UNKNOWN
        op = plan.Alias(source, offset, result_types=[_buffer(value)], location=origin)
        op.result.name = value.name
        self.block.append(op)
        return op.result

    def lower(self, op: Operation) -> None:
        match op:
            case nn.Constant():
                self.define(op.result, plan.Weight(op.value, location=op.location))
            case nn.Reshape():
                self.buffer[op.result] = self.alias(self.buffer[op.x], op.result)
            case nn.Concat() | nn.Slice() if op.result in self.buffer:
                pass  # what it consists of is made there
            case kernel.Call():
                self.launch(op)
            case host.Call():
                self.host_step(op)
            case nn.ReadSizes():
                self.steps.append(plan.Read(self.buffer[op.x], op.symbols, location=op.location))
            case nn.Size() | nn.DimOf():
                pass  # how often a loop runs
            case nn.If():
                self.branch(op)
            case nn.Loop():
                self.loop(op)
            case Return():
                self.fill_outputs(op)
            case _:
                op.fail("is not in a kernel; form-kernels and tile-kernels come before lower-to-plan")

    def launch(self, call: kernel.Call) -> None:
        reads = [self.buffer[v] for v in call.operands]
        writes = [self.result_buffer(call, i) for i in range(len(call.results))]
        for result, target in zip(call.results, writes, strict=True):
            self.buffer[result] = target
        self.steps.append(plan.Launch((*reads, *writes), call.callee, written=len(writes), location=call.location))

    def host_step(self, call: host.Call) -> None:
        reads = [self.buffer[v] for v in call.operands]
        for result in call.results:
            if result not in self.buffer:
                label = f"b{next(self.labels)}"
                place = plan.Object if host.is_object(result.type) else plan.Arena
                self.define(result, place(label, result_types=[_buffer(result)], location=call.location))
        writes = [self.buffer[v] for v in call.results]
        step = plan.Host((*reads, *writes), call.function, call.arguments, call.reason, len(writes))
        step.location = call.location
        self.steps.append(step)

    # Control flow

    def branch(self, op: nn.If) -> None:
        """Each region makes its values in the memory of the results, or copies them there."""
        condition = self.read(op.condition, op)
        targets = [self.memory_for(result) for result in op.results]
        regions: list[Region] = []
        for region in (op.then, op.otherwise):
            yielded = region.block.terminator.operands
            for value, target in zip(yielded, targets, strict=True):
                made = origin(value)
                if isinstance(made.owner, kernel.Call) and made.owner.parent is region.block:
                    self.buffer.setdefault(made, self.alias(target, made))
            with self.region() as steps:
                self.lower_all(region.block)
                self.move(yielded, targets, op)
            regions.append(steps)
        self.steps.append(plan.If(condition, *regions, location=op.location))

    def loop(self, op: nn.Loop) -> None:
        """Carried values have memory of their own, to which each iteration copies what it yields."""
        name = f"{RUN_TIME}loop{next(self.labels)}"
        trips = self.trip_count(op)
        condition = None if op.condition is None else self.read(op.condition, op)
        iteration, goes_on, *arguments = op.body.block.arguments
        carried = [self.memory_for(result) for result in op.results[: len(arguments)]]
        collected = [self.memory_for(result) for result in op.results[len(arguments) :]]
        self.move(op.initial, carried, op)
        self.buffer |= dict(zip(arguments, carried, strict=True))
        next_condition, *yielded = op.body.block.terminator.operands
        with self.region() as steps:
            if iteration.uses:
                self.buffer[iteration] = self.arena(iteration)
                self.steps.append(plan.Fill(self.buffer[iteration], symbol(name), location=op.location))
            if any(user is not op.body.block.terminator for user in goes_on.users):
                self.define(goes_on, plan.Weight(DenseAttr(np.array(True))))
            self.lower_all(op.body.block)
            for value, whole in zip(yielded[len(carried) :], collected, strict=True):
                offset = mul(symbol(name), plan.byte_size(plan.tensor_of(self.buffer[value])))
                self.steps.append(plan.Copy(self.buffer[value], whole, offset, location=op.location))
            self.move(yielded[: len(carried)], carried, op)
            if condition is not None and not _stays_true(next_condition, goes_on):
                self.steps.append(plan.Read(self.buffer[next_condition], (str(condition),), location=op.location))
        self.steps.append(plan.Loop(steps, name, trips, 1 if condition is None else condition, location=op.location))

    def trip_count(self, op: nn.Loop) -> Dim | None:
        match op.trip_count.owner if op.trip_count is not None else None:
            case None:
                return None
            case nn.Constant() as constant:
                return max(int(constant.array.reshape(-1)[0]), 0)
            case nn.Size() as size:
                return size.value
            case nn.DimOf() as dim:
                assert isinstance(dim.x.type, TensorType)
                return dim.x.type.dims[dim.axis]
            case _:
                assert op.trip_count is not None
                return self.read(op.trip_count, op)

    def read(self, number: Value, op: Operation) -> Expr:
        """The symbol that gets the value of a tensor of one integer or boolean here."""
        name = f"{RUN_TIME}value{next(self.labels)}"
        self.steps.append(plan.Read(self.buffer[number], (name,), location=op.location))
        return symbol(name)

    def memory_for(self, value: Value) -> Value:
        """The memory of a result of control flow: that of an output, or new."""
        if value not in self.buffer:
            self.buffer[value] = self.arena(value)
        return self.buffer[value]

    def move(self, values: Sequence[Value], targets: Sequence[Value], op: Operation) -> None:
        """Copy values to targets, all at once: what another copy writes over is brought to safety before."""
        bases = [plan.memory_of(target) for target in targets]
        pending: list[tuple[Value, Value]] = []
        for value, target, base in zip(values, targets, bases, strict=True):
            source = self.buffer[value]
            if plan.memory_of(source) is base:
                continue
            if plan.memory_of(source) in bases:
                saved = self.arena(value)
                self.steps.append(plan.Copy(source, saved, location=op.location))
                source = saved
            pending.append((source, target))
        for source, target in pending:
            self.steps.append(plan.Copy(source, self.resized(target, source), location=op.location))

    def resized(self, target: Value, source: Value) -> Value:
        """`target` as the type of `source`."""
        if target.type == source.type:
            return target
        alias = plan.Alias(target, result_types=[source.type])
        self.block.append(alias)
        return alias.result

    def lower_all(self, block: Block) -> None:
        for op in block:
            if not isinstance(op, nn.Yield):
                self.lower(op)

    @contextlib.contextmanager
    def region(self) -> Generator[Region]:
        """A region for the steps that are lowered within."""
        around, self.steps = self.steps, Block()
        try:
            yield Region(self.steps)
        finally:
            self.steps = around

    def result_buffer(self, call: kernel.Call, index: int) -> Value:
        result = call.results[index]
        if result in self.buffer:
            return self.buffer[result]
        if self.in_place and index == 0 and (operand := self.overwritten(call)) is not None:
            return self.alias(self.buffer[operand], result)
        return self.arena(result)

    def overwritten(self, call: kernel.Call) -> Value | None:
        """An operand whose memory the call may reuse for its result."""
        function = self.module.lookup(call.callee.name)
        assert isinstance(function, kernel.Func)
        for position in function.in_place or ():
            operand = call.operands[position]
            base = plan.memory_of(self.buffer[operand])
            dies = self.last_reader.get(origin(operand)) is call and call.operands.count(operand) == 1
            if dies and isinstance(base.owner, plan.Arena) and base not in self.shared:
                return operand
        return None

    def fill_outputs(self, op: Return) -> None:
        for value, output in zip(op.operands, self.outputs, strict=True):
            if plan.memory_of(self.buffer[value]) is output:
                continue
            if plan.is_object(output):
                raise CompileError("an object of the host is returned as it was given, or twice, which no step does")
            target = self.alias(output, value)
            self.steps.append(plan.Copy(self.buffer[value], target, location=op.location))

    def replace_main(self) -> None:
        self.main.drop_operands()
        self.main.regions.clear()
        self.main.add_region(Region(self.block))
        self.main.function_type = FunctionType((), ())
        self.main.arg_attrs = self.main.res_attrs = None


def _buffer(value: Value) -> plan.OpaqueType:
    if host.is_object(value.type):
        return plan.object_type(value.type)
    assert isinstance(value.type, TensorType)
    return plan.buffer_type(value.type)


def tensor_name(attributes: tuple[DictAttr, ...] | None, index: int, default: str) -> str:
    """The ONNX name of an argument or result of `main`."""
    entries = dict(attributes[index].items) if attributes else {}
    name = entries.get("kw.name")
    return name.value if isinstance(name, StringAttr) else default


def _has_place_before(main: Func, value: Value, made: Value) -> bool:
    """Whether the memory of `value` is there when the op that makes `made` runs: its sizes are read before that."""
    maker = made.owner
    if not isinstance(maker, Operation) or not isinstance(value.type, TensorType) or value.type.shape is None:
        return True
    symbols = {name for dim in value.type.shape for name in free_symbols(dim)}
    reads = (op for op in main.walk() if isinstance(op, nn.ReadSizes) and not symbols.isdisjoint(op.symbols))
    return all(op.parent is maker.parent and op.is_before(maker) for op in reads)


def _last_readers(main: Func) -> dict[Value, Operation]:
    """The last op, of the block that a value is of, in which somebody reads it or a reshape of it."""
    last: dict[Value, Operation] = {}
    for block in blocks_of(main):
        for op in block:
            for reader in op.walk():
                for operand in () if isinstance(reader, nn.Reshape) else reader.operands:
                    read = origin(operand)
                    if (read.owner if isinstance(read.owner, Block) else read.owner.parent) is block:
                        last[read] = op
    return last


def _stays_true(condition: Value, given: Value) -> bool:
    """Whether the condition that a loop's body yields holds wherever the one it was given did."""
    if condition is given:
        return True
    return isinstance(condition.owner, nn.Constant) and bool(condition.owner.array.all())
