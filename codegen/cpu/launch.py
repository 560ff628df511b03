"""The LLVM functions around a tile program: a launch on all workers, and a whole plan's run of launches.

Three functions a kernel, from the inside out:

- `@NAME.item(buffers…, symbols…, program ids…, grid…, workers, barrier)`: the tile program (emitter.py);
- `@NAME.run(buffers…, symbols…, worker, workers, barrier)`: this worker's share of the grid, a contiguous run of
  programs in which axis 0 varies fastest;
- `@NAME(table, scalars, worker, workers, barrier)`: the launch as the runtime calls it (docs/plan.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...ir.dialects import kernel
from ...runtime import plan as run
from ..program import kernel_symbols
from . import sizes
from .builder import Builder
from .emitter import has_grid_barrier, quote

_WORKER = "i64 %worker, i64 %workers, ptr %barrier"
_SPMD = f"ptr %table, ptr %scalars, {_WORKER}"


def run_function(func: kernel.Func) -> str:
    """The text of `@NAME.run`."""
    builder, symbols = Builder(), kernel_symbols(func)
    pointers = [f"%{builder.fresh(f'arg{a.index}')}" for a in func.block.arguments]
    values = {name: f"%{builder.fresh(name)}" for name in symbols}
    for name in ("worker", "workers", "barrier"):
        builder.fresh(name)
    grid = [sizes.size(builder, dim, values) for dim in func.grid or (1,)]
    arguments = [*(f"ptr {p}" for p in pointers), *(f"i64 {v}" for v in values.values())]
    item = f"@{quote(func.sym_name + '.item')}"

    def call(programs: Sequence[str], extents: Sequence[str]) -> None:
        places = [f"i64 {value}" for value in (*programs, *extents, "%workers")]
        builder.do(f"call void {item}({', '.join([*arguments, *places, 'ptr %barrier'])})")

    if has_grid_barrier(func):
        # All programs meet at the barriers, so there is one a worker, whatever the grid.
        call(["%worker", *["0"] * (len(grid) - 1)], ["%workers", *["1"] * (len(grid) - 1)])
        builder.do("ret void")
    else:
        _share(builder, grid, call)
    # Its callers call it once a launch: a copy of the kernel in each would only take time to compile.
    name, parameters = quote(func.sym_name + ".run"), ", ".join([*arguments, _WORKER])
    head = f"define internal void @{name}({parameters}) noinline nounwind {{"
    return "\n".join([head, "entry:", *builder.lines, "}"])


def _share(builder: Builder, grid: Sequence[str], call: object) -> None:
    """Call each program of this worker's part of the grid."""
    assert callable(call)
    total = grid[0]
    for extent in grid[1:]:
        total = sizes.mul(builder, total, extent)
    ends = []
    for number in ("%worker", builder.define("after", "add i64 %worker, 1")):
        product = sizes.mul(builder, total, number)
        ends.append(builder.define("end", f"udiv i64 {product}, %workers"))
    first, last = ends
    builder.jump("loop")
    builder.start("loop")
    hole, item = builder.hole(), f"%{builder.fresh('item')}"
    builder.branch(builder.define("more", f"icmp ult i64 {item}, {last}"), "work", "done")
    builder.start("work")
    programs, rest = [], item
    for axis, extent in enumerate(grid):
        if axis == len(grid) - 1:
            programs.append(rest)
        else:
            programs.append("0" if extent == "1" else builder.define("program", f"urem i64 {rest}, {extent}"))
            rest = rest if extent == "1" else builder.define("rest", f"udiv i64 {rest}, {extent}")
    call(programs, grid)
    following = builder.define("next", f"add i64 {item}, 1")
    builder.fill(hole, f"{item} = phi i64 [ {first}, %entry ], [ {following}, %work ]")
    builder.jump("loop")
    builder.start("done")
    builder.do("ret void")


def launch_function(func: kernel.Func) -> str:
    """The text of `@NAME`: arguments from the table of buffers and the scalars of the launch."""
    builder = Builder()
    for name in ("table", "scalars", "worker", "workers", "barrier"):
        builder.fresh(name)
    count = len(func.block.arguments)
    arguments = [f"ptr {_element(builder, 'ptr', '%table', i)}" for i in range(count)]
    arguments += [f"i64 {_element(builder, 'i64', '%scalars', i)}" for i in range(len(kernel_symbols(func)))]
    builder.do(f"call void @{quote(func.sym_name + '.run')}({', '.join([*arguments, _WORKER])})")
    builder.do("ret void")
    return "\n".join([f"define void @{quote(func.sym_name)}({_SPMD}) nounwind {{", "entry:", *builder.lines, "}"])


def entry_function(
    name: str,
    launches: Sequence[run.Launch],
    buffers: Mapping[str, int],
    symbols: Mapping[str, int],
) -> str:
    """The text of a function that does all of `launches`; `buffers` and `symbols`: places in the plan's tables."""
    builder = Builder()
    for parameter in ("table", "scalars", "worker", "workers", "barrier"):
        builder.fresh(parameter)
    pointers = {b: _element(builder, "ptr", "%table", buffers[b]) for launch in launches for b in launch.buffers}
    values = {s: _element(builder, "i64", "%scalars", symbols[s]) for launch in launches for s in _names(launch)}
    for number, launch in enumerate(launches):
        arguments = [f"ptr {pointers[b]}" for b in launch.buffers] + [f"i64 {values[s]}" for s in _names(launch)]
        builder.do(f"call void @{quote(launch.kernel + '.run')}({', '.join([*arguments, _WORKER])})")
        if launch.attributes.get("barrier", True) and number + 1 < len(launches):
            builder.do("call void @kw_barrier(ptr %barrier, i64 %workers)")
    builder.do("ret void")
    return "\n".join([f"define void @{quote(name)}({_SPMD}) nounwind {{", "entry:", *builder.lines, "}"])


def _names(launch: run.Launch) -> tuple[str, ...]:
    """The symbols a launch passes on; on a CPU its scalars are symbols."""
    return tuple(map(str, launch.scalars))


def _element(builder: Builder, type: str, table: str, index: int) -> str:
    at = table if index == 0 else builder.define("at", f"getelementptr {type}, ptr {table}, i64 {index}")
    return builder.define("value", f"load {type}, ptr {at}")
