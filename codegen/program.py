"""From the plan phase to the runtime's program: what both back ends share.

`Program.of(module)` reads `main` and the signatures of the kernels: buffers, launches, copies, weights, inputs, outputs
and symbols. A back end adds the binaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..ir.attributes import Attribute, DenseAttr, DenseResourceAttr, StringAttr
from ..ir.core import Operation, Region, Value
from ..ir.diagnostics import CompileError, InternalError
from ..ir.dialects import kernel, plan, tile
from ..ir.dialects.builtin import Module, Return
from ..ir.equalities import equalities
from ..ir.index_checks import index_checks
from ..ir.profile import Profile
from ..ir.symbols import Dim, free_symbols
from ..ir.types import TensorType
from ..runtime import plan as run


@dataclass(frozen=True)
class Program:
    """The parts of a `runtime.plan.Plan` that do not depend on the target, and the tensors of its weights."""

    inputs: tuple[run.TensorSpec, ...]
    outputs: tuple[run.TensorSpec, ...]
    symbols: tuple[run.Symbol, ...]
    equalities: tuple[run.Equality, ...]
    index_checks: tuple[run.IndexCheck, ...]
    buffers: tuple[run.Buffer, ...]
    steps: tuple[run.Step, ...]
    kernels: tuple[kernel.Func, ...]
    tensors: dict[str, np.ndarray]

    @staticmethod
    def of(module: Module) -> Program:
        """Read a module in the plan phase. Raises CompileError where a weight's data is missing."""
        return _Reader(module).read()


def kernel_symbols(function: kernel.Func) -> tuple[str, ...]:
    """The model's symbols that a tile program needs as arguments, in the order it takes them."""
    names: set[str] = set()
    for shape in (function.grid or (), *function.argument_shapes()):
        names.update(*(free_symbols(dim) for dim in shape))
    for op in function.walk():
        if isinstance(op, tile.SymbolValue):
            names |= free_symbols(op.value)
    return tuple(sorted(names))


class _Reader:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.symbols_of_module = module.symbols()
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.tensors: dict[str, np.ndarray] = {}
        self.inputs: dict[int, run.TensorSpec] = {}
        self.outputs: dict[int, run.TensorSpec] = {}
        self.buffers: list[run.Buffer] = []
        self.steps: list[run.Step] = []
        self.segments = plan.segments(module.main)
        self.kernels: dict[str, kernel.Func] = {}

    def read(self) -> Program:
        for op in self.module.main.block:
            self.read_op(op)
        return Program(
            inputs=tuple(spec for _, spec in sorted(self.inputs.items())),
            outputs=tuple(spec for _, spec in sorted(self.outputs.items())),
            symbols=tuple(self.model_symbols()),
            equalities=tuple(self.equalities()),
            index_checks=tuple(self.index_checks()),
            buffers=tuple(self.buffers),
            steps=tuple(self.steps),
            kernels=tuple(self.kernels.values()),
            tensors=self.tensors,
        )

    def read_op(self, op: Operation) -> None:
        match op:
            case plan.Memory():
                self.read_memory(op)
            case plan.Launch():
                self.read_launch(op)
            case plan.Host():
                reads, writes = (tuple(self.names[v] for v in group) for group in (op.reads, op.writes))
                attributes: dict[str, int | float | str | bool] = {"arguments": op.arguments, "reason": op.reason}
                self.steps.append(run.Host(op.function, reads, writes, (), attributes, op.location.names))
            case plan.Copy():
                source, target = self.names[op.source], self.names[op.target]
                size, offset = plan.byte_size(plan.tensor_of(op.source)), expression(op.target_offset)
                self.steps.append(run.Copy(source, target, expression(size), 0, offset))
            case plan.Fill():
                dtype = str(plan.tensor_of(op.target).dtype)
                self.steps.append(run.Fill(self.names[op.target], expression(op.value), dtype))
            case plan.If():
                then, otherwise = self.nested(op.then), self.nested(op.otherwise)
                self.steps.append(run.If(expression(op.condition), then, otherwise))
            case plan.Loop():
                trips = None if op.trip_count is None else expression(op.trip_count)
                body = self.nested(op.body)
                self.steps.append(run.Loop(body, trips, expression(op.condition), op.induction))
            case plan.Read():
                self.steps.append(run.Read(op.symbols, self.names[op.buffer], str(plan.tensor_of(op.buffer).dtype)))
            case plan.Place():
                self.steps.append(run.Place(op.segment))
            case Return():
                pass
            case _:
                raise InternalError(f"'{op.name}' has no place in a plan")

    def nested(self, region: Region) -> tuple[run.Step, ...]:
        """The steps of a region."""
        around, self.steps = self.steps, []
        for op in region.block:
            self.read_op(op)
        steps, self.steps = tuple(self.steps), around
        return steps

    def read_memory(self, op: plan.Memory) -> None:
        name = self.fresh_name(op)
        self.names[op.result] = name
        if plan.is_object(op.result):
            self.buffers.append(run.Buffer(name, 0, self.object_storage(op), "object", ()))
            return
        tensor = plan.tensor_of(op.result)
        shape = tuple(expression(dim) for dim in tensor.dims)
        dtype = str(tensor.dtype)
        storage = self.storage(op, tensor, name)
        segment = self.segments[op.result]
        self.buffers.append(run.Buffer(name, expression(plan.byte_size(tensor)), storage, dtype, shape, segment))

    def object_storage(self, op: plan.Memory) -> run.Storage:
        match op:
            case plan.Input():
                self.inputs[op.index] = run.TensorSpec(op.tensor_name, "object")
                return run.Input(op.index)
            case plan.Output():
                self.outputs[op.index] = run.TensorSpec(op.tensor_name, "object")
                return run.Output(op.index)
            case _:
                return run.Object()

    def storage(self, op: plan.Memory, tensor: TensorType, name: str) -> run.Storage:
        spec_shape = tuple(expression(dim) for dim in tensor.dims)
        match op:
            case plan.Input():
                self.inputs[op.index] = run.TensorSpec(op.tensor_name, str(tensor.dtype), spec_shape)
                return run.Input(op.index)
            case plan.Output():
                self.outputs[op.index] = run.TensorSpec(op.tensor_name, str(tensor.dtype), spec_shape)
                return run.Output(op.index)
            case plan.Weight():
                self.tensors[name] = weight_array(op)
                return run.Weight(name)
            case plan.Alias():
                return run.Alias(self.names[op.source], expression(op.offset))
            case plan.Arena():
                return run.Arena(_arena_offset(op))
            case _:
                raise InternalError(f"'{op.name}' names no memory")

    def fresh_name(self, op: plan.Memory) -> str:
        """Arena buffers go by their labels, weights by their names in the model."""
        if isinstance(op, plan.Arena | plan.Object):
            name = op.label
        elif isinstance(op, plan.Weight) and isinstance(op.value, DenseResourceAttr):
            name = op.value.name
        elif isinstance(op, plan.Input | plan.Output):
            name = f"{'input' if isinstance(op, plan.Input) else 'output'}:{op.index}"
        else:
            name = f"{op.name.rpartition('.')[2]}{len(self.buffers)}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def read_launch(self, op: plan.Launch) -> None:
        function = self.symbols_of_module[op.callee.name]
        assert isinstance(function, kernel.Func)
        self.kernels[function.sym_name] = function
        grid = [expression(dim) for dim in function.grid or (1,)]
        attributes: dict[str, int | str | bool] = {} if op.barrier else {"barrier": False}
        if any(isinstance(inner, tile.GridBarrier) for inner in function.walk()):
            attributes["cooperative"] = True
        x, y, z = (*grid, *(1,) * (3 - len(grid)))
        self.steps.append(
            run.Launch(
                function.sym_name,
                tuple(self.names[v] for v in op.buffers),
                kernel_symbols(function),
                (x, y, z),
                function.threads or 1,
                attributes=attributes,
                onnx_nodes=op.location.names,
            )
        )

    def model_symbols(self) -> Iterable[run.Symbol]:
        """Every symbol of the program with its profile."""
        names: set[str] = set()
        for op in self.module.main.block:
            if isinstance(op, plan.Memory) and not plan.is_object(op.result):
                names.update(*(free_symbols(dim) for dim in plan.tensor_of(op.result).dims))
        for function in self.kernels.values():
            names |= set(kernel_symbols(function))
        read = set(_step_symbols(self.module.main))
        ranges = Profile.of(self.module).ranges
        for name in sorted(names | read):
            known = ranges.get(name)
            if name in read:
                yield run.Symbol(name, origin="step")
                continue
            yield run.Symbol(name) if known is None else run.Symbol(name, known.min, known.opt, known.max)

    def index_checks(self) -> Iterable[run.IndexCheck]:
        """The last outputs are the ranges of indices, two for each check."""
        checks = index_checks(self.module.main)
        names = [spec.name for _, spec in sorted(self.outputs.items())][len(self.outputs) - 2 * len(checks) :]
        for check, least, greatest in zip(checks, names[::2], names[1::2], strict=True):
            yield run.IndexCheck(least, greatest, tuple(map(expression, check.sizes)), check.nodes)

    def equalities(self) -> Iterable[run.Equality]:
        for needed in equalities(self.module.main):
            yield run.Equality(expression(needed.left), expression(needed.right), needed.nodes)


def _step_symbols(main: Operation) -> Iterator[str]:
    """The symbols that steps give values to."""
    for op in main.walk():
        if isinstance(op, plan.Read):
            yield from op.symbols
        elif isinstance(op, plan.Loop):
            yield op.induction


def expression(dim: Dim) -> run.Expression:
    """A size as the runtime reads it."""
    return dim if isinstance(dim, int) else str(dim)


def _arena_offset(op: plan.Arena) -> run.Expression:
    if op.offset is not None:
        return op.offset
    ends = [f"{label}.end" for label in op.after or ()]
    return f"max({', '.join(ends)})" if len(ends) > 1 else (ends[0] if ends else 0)


def weight_array(op: plan.Weight) -> np.ndarray:
    """The elements of a weight. Raises CompileError where the module was read without them."""
    value: Attribute = op.value
    if isinstance(value, DenseAttr):
        return value.array
    assert isinstance(value, DenseResourceAttr)
    if value.array is None:
        raise CompileError(f"the weight '{value.name}' has no data: keep the .safetensors file beside the IR text")
    return value.array


def kernel_record(function: kernel.Func, **details: object) -> run.Kernel:
    """The plan's entry for a kernel; `details` are the fields only a back end knows."""
    return run.Kernel(
        name=function.sym_name,
        entry=function.sym_name,
        onnx_nodes=function.onnx or (),
        tactic=function.tactic or "",
        schedule=str(function.schedule or ""),
        timings=tuple(_timing(text) for text in function.timings or ()),
        flops=expression(function.flops or 0),
        bytes=expression(function.bytes or 0),
        **details,  # type: ignore[arg-type]
    )


def _timing(text: str) -> run.Timing:
    seconds, tactic, schedule = text.split(" ", 2)
    return run.Timing(tactic, schedule, float(seconds))


def precision_of(module: Module) -> str:
    """The precision the module was compiled for (`kw.precision`)."""
    attribute = module.attributes.get("kw.precision")
    return attribute.value if isinstance(attribute, StringAttr) else "fp32"
