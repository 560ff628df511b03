"""The program of a plan: what a runtime does to run a compiled model, as frozen dataclasses.

A plan holds no control of its own beyond a list of steps over named buffers. Sizes are integers, or expressions
(expressions.py) over the plan's symbols, so that one plan serves every shape inside its profile. docs/plan.md describes
the format for those who write another runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .expressions import Expression

FORMAT_VERSION = 2
ALIGNMENT = 256
"""Bytes to which arena offsets are aligned; `NAME.end` is rounded up to it."""
ARGUMENT_ALIGNMENT = 16
"""Bytes to which the inputs and outputs of a CPU plan are aligned where its kernels see them."""

Shape = tuple[Expression, ...]


@dataclass(frozen=True)
class Target:
    """The hardware a plan is for.

    `kind` is "cpu" or "cuda"; `name` is what the user asked for ("cuda:sm_90a"). `arch` is the LLVM triple of a CPU or
    the `sm_` architecture of a GPU; `features` are CPU features ("avx2", "avx512f") that the code uses.
    """

    kind: Literal["cpu", "cuda"]
    name: str
    arch: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Symbol:
    """A symbolic dimension and its profile: any value from `min` to `max` runs; None is unbounded.

    `origin` says who gives it a value: the shapes of the inputs ("input"), or a step of the plan ("step", see Read and
    Host). Sizes and offsets of buffers of segment 0 mention input symbols only; all else may mention both.
    """

    name: str
    min: int = 0
    opt: int | None = None
    max: int | None = None
    origin: Literal["input", "step"] = "input"


@dataclass(frozen=True)
class Equality:
    """Two sizes that must be equal for the model to run; `onnx_nodes` are those that need it.

    Those that mention step symbols are compared when the last of these has its value.
    """

    left: Expression
    right: Expression
    onnx_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class IndexCheck:
    """The outputs `least` and `greatest` hold the range of a node's indices, an i64 for each of `sizes`.

    An index of an axis of size n is from -n to n - 1. These outputs are the runtime's, callers do not see them.
    """

    least: str
    greatest: str
    sizes: Shape
    onnx_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of the plan: dense, row-major, of an MLIR element type (dtypes.py)."""

    name: str
    dtype: str
    shape: Shape = ()


@dataclass(frozen=True)
class Input:
    """Memory of input number `index`, given by the caller; never written."""

    index: int


@dataclass(frozen=True)
class Output:
    """Memory of output number `index`, given or received by the caller."""

    index: int


@dataclass(frozen=True)
class Weight:
    """A tensor of the plan file; never written."""

    tensor: str


@dataclass(frozen=True)
class Arena:
    """Memory at `offset` bytes into the arena of the buffer's segment.

    The expression may mention symbols and `NAME.end`, where the arena buffer NAME of the same segment, earlier in the
    plan, ends. The value is rounded up to ALIGNMENT.
    """

    offset: Expression = 0


@dataclass(frozen=True)
class Alias:
    """Memory of another, earlier buffer, from `offset` bytes into it."""

    of: str
    offset: Expression = 0


@dataclass(frozen=True)
class Object:
    """The place of one value of the host that only Host steps make and read: strings, sequences, tensors of any shape.

    Buffers of objects, inputs and outputs among them, have the element type "object" and no bytes.
    """


Storage = Input | Output | Weight | Arena | Alias | Object


@dataclass(frozen=True)
class Buffer:
    """A named piece of memory. `dtype` and `shape` are for readers, and required where a Host step uses the buffer.

    Buffers of `segment` 0 have their places before a run, by the input symbols. Those of another one are given places
    by the step `Place` of that segment, and may mention the step symbols known there.
    """

    name: str
    bytes: Expression
    storage: Storage
    dtype: str = ""
    shape: Shape | None = None
    segment: int = 0


@dataclass(frozen=True)
class Timing:
    """A candidate for a kernel that was measured: a strategy, its parameters, the seconds of a launch."""

    tactic: str
    schedule: str
    seconds: float


@dataclass(frozen=True)
class Kernel:
    """Code that steps launch: the symbol `entry` of the u8 tensor `binary` (a cubin; on the CPU the plan's object).

    `flops` and `bytes` are the work and the memory traffic of one launch. `source` names the u8 tensor with the source,
    `ptx` one with PTX, from which drivers of GPUs later than the plan's make code of their own. `tactic` and `schedule`
    are the strategy and its parameters, `timings` what was measured to choose them.
    """

    name: str
    entry: str
    binary: str = ""
    onnx_nodes: tuple[str, ...] = ()
    tactic: str = ""
    flops: Expression = 0
    bytes: Expression = 0
    source: str = ""
    ptx: str = ""
    registers: int | None = None
    shared_bytes: int | None = None
    schedule: str = ""
    timings: tuple[Timing, ...] = ()


@dataclass(frozen=True)
class PixelWalk:
    """The pixels of an image [n, spatial…, c] that TMA visits one after the other (im2col), along every spatial axis,
    the innermost first: from `lower`, counted from the axis's first pixel, to `upper`, counted from its last, in
    `steps`."""

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class TensorMap:
    """A CUtensorMap of a buffer: what a TMA copy of a CUDA kernel needs. Sizes from the innermost dimension outwards.

    `strides` are in bytes and leave out the innermost dimension, which is dense; `swizzle` is 0, 32, 64 or 128 bytes.
    With `pixels` the box is channels by pixels.
    """

    buffer: str
    dtype: str
    shape: Shape
    strides: Shape
    box: tuple[int, ...]
    swizzle: int = 0
    l2_promotion: int = 128
    offset: Expression = 0
    pixels: PixelWalk | None = None


@dataclass(frozen=True)
class Launch:
    """Run a kernel.

    Arguments, in this order: a pointer for each of `buffers`, an int64 for each of `scalars`, a CUtensorMap for each of
    `tensor_maps`. `block`, `cluster` and `shared_bytes` (dynamic shared memory) are CUDA's. On the CPU the grid is the
    number of pieces that workers share; on a GPU a 0 in it skips the launch. Attributes: `pdl` (CUDA: programmatic
    dependent launch); `cooperative` (all blocks, or workers, run at once); `barrier` = False (CPU: the next launch does
    not depend on this one). `onnx_nodes` are this launch's; those of the kernel are of all its launches.
    """

    kernel: str
    buffers: tuple[str, ...] = ()
    scalars: tuple[Expression, ...] = ()
    grid: tuple[Expression, Expression, Expression] = (1, 1, 1)
    block: int = 1
    cluster: tuple[int, int, int] | None = None
    shared_bytes: Expression = 0
    tensor_maps: tuple[TensorMap, ...] = ()
    attributes: dict[str, int | str | bool] = field(default_factory=dict)
    onnx_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Native:
    """Run one native function of a CPU plan that does all of `launches` (which a profiler runs one by one instead)."""

    entry: str
    launches: tuple[Launch, ...] = ()


@dataclass(frozen=True)
class Copy:
    """Copy `bytes` bytes from `src` to `dst`; the two do not overlap."""

    src: str
    dst: str
    bytes: Expression
    src_offset: Expression = 0
    dst_offset: Expression = 0


@dataclass(frozen=True)
class Fill:
    """Set every element of `dst`, seen as a dense array of `dtype`, to `value` (a number, or an expression)."""

    dst: str
    value: Expression | float
    dtype: str


@dataclass(frozen=True)
class Host:
    """Call the registered host function `function` (host.py) on whole buffers; it may give values to `symbols`."""

    function: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    attributes: dict[str, int | float | str | bool] = field(default_factory=dict)
    onnx_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Read:
    """Give `symbols` the values of consecutive elements of type `dtype` from `offset` bytes into `buffer` on.

    They are sizes, counts or conditions: a negative one stops the run.
    """

    symbols: tuple[str, ...]
    buffer: str
    dtype: str = "i64"
    offset: Expression = 0


@dataclass(frozen=True)
class Place:
    """Give the buffers of `segment` memory for the values that symbols have now; what they held before is gone."""

    segment: int


@dataclass(frozen=True)
class If:
    """Run `then` where `condition` is not zero, `otherwise` where it is."""

    condition: Expression
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Loop:
    """Run `body` while fewer than `trip_count` iterations are done and `condition`, computed before each, is not zero.

    `induction` names a step symbol that holds the number of iterations done; the body may set the condition's symbols.
    """

    body: tuple[Step, ...]
    trip_count: Expression | None = None
    condition: Expression = 1
    induction: str = ""


Step = Launch | Native | Copy | Fill | Host | Read | Place | If | Loop


@dataclass(frozen=True)
class CpuLevel:
    """The code of a CPU plan once more, for processors of the same architecture that have `features`."""

    name: str
    features: tuple[str, ...]
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A compiled model: everything but the tensors. Order matters: buffers and symbols are tables of the CPU's ABI.

    `ir` is the plan dialect's text this was made from, `provenance` says what made it, with versions. `without_kernel`
    has the nodes of the model that no kernel and no host step computes, by what became of them ("view", "constant",
    "eliminated by dce"). `objects` are the u8 tensors with a CPU plan's code for its target; `levels` have it for other
    processors, the first that fits being taken where the target's features are not all there.
    """

    name: str
    target: Target
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    buffers: tuple[Buffer, ...]
    kernels: tuple[Kernel, ...]
    steps: tuple[Step, ...]
    symbols: tuple[Symbol, ...] = ()
    equalities: tuple[Equality, ...] = ()
    index_checks: tuple[IndexCheck, ...] = ()
    objects: tuple[str, ...] = ("object", "pool")
    levels: tuple[CpuLevel, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)
    without_kernel: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ir: str = ""

    def kernel(self, name: str) -> Kernel:
        """The kernel called `name`; KeyError where there is none."""
        return self.kernel_table()[name]

    def kernel_table(self) -> Mapping[str, Kernel]:
        return {kernel.name: kernel for kernel in self.kernels}


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    """All steps with those nested in them, outer before inner; the launches of a Native come after it."""
    for step in steps:
        yield step
        if isinstance(step, If):
            yield from walk(step.then)
            yield from walk(step.otherwise)
        elif isinstance(step, Loop):
            yield from walk(step.body)
        elif isinstance(step, Native):
            yield from step.launches


def launches(steps: tuple[Step, ...]) -> list[Launch]:
    """Every launch of the steps, in order of the plan."""
    return [step for step in walk(steps) if isinstance(step, Launch)]
