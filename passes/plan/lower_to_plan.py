"""Turn `main` into run-time steps over buffers."""

from __future__ import annotations

import itertools
from typing import ClassVar

from ...ir.attributes import DictAttr, StringAttr
from ...ir.core import Block, Operation, Region, Value
from ...ir.diagnostics import CompileError
from ...ir.dialects import host, kernel, nn, plan
from ...ir.dialects.builtin import Func, Module, Return
from ...ir.dialects.nn.base import tensor_type
from ...ir.location import UNKNOWN
from ...ir.symbols import free_symbols
from ...ir.types import FunctionType, TensorType
from ..analysis.sub_buffers import SharedMemory, origin, shared_memory
from ..base import Pass, PassContext


class LowerToPlan(Pass):
    """Give every tensor of `main` a buffer and turn kernel calls into launches.

    A reshape is an alias of its operand. The parts of a concatenation along the outermost dim are made in its memory,
    and such slices are read where they lie (analysis/sub_buffers.py). A result that the function returns is made in the
    output's memory; where that cannot be (it is an input, a weight, or returned twice) it is copied. A kernel may write
    over an operand of the same type that nobody reads afterwards, where its `in_place` says that it reads each element
    before it writes it.

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
            if isinstance(made.owner, kernel.Call | host.Call | nn.Concat) and made not in self.buffer and early:
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
        assert isinstance(value.owner, Operation)
        op = plan.Arena(f"b{next(self.labels)}", result_types=[_buffer(value)], location=value.owner.location)
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
                self.block.append(plan.Read(self.buffer[op.x], op.symbols, location=op.location))
            case Return():
                self.fill_outputs(op)
            case _:
                op.fail("is not in a kernel; form-kernels and tile-kernels come before lower-to-plan")

    def launch(self, call: kernel.Call) -> None:
        reads = [self.buffer[v] for v in call.operands]
        writes = [self.result_buffer(call, i) for i in range(len(call.results))]
        for result, target in zip(call.results, writes, strict=True):
            self.buffer[result] = target
        self.block.append(plan.Launch((*reads, *writes), call.callee, written=len(writes), location=call.location))

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
        self.block.append(step)

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
            self.block.append(plan.Copy(self.buffer[value], target, location=op.location))

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
    """The last op that reads each value or a reshape of it."""
    last: dict[Value, Operation] = {}
    for op in main.block:
        if not isinstance(op, nn.Reshape):
            for operand in op.operands:
                last[origin(operand)] = op
    return last
