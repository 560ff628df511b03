"""The CUDA C of a kernel, and which op each of its lines spells."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...ir.core import Operation
from ...ir.dialects import kernel
from .asynchronous import MapParameter
from .kernel import KernelEmitter
from .prelude import prelude


@dataclass(frozen=True)
class Source:
    """The translation unit of one kernel. `ops` has the op of each line, counted from 0."""

    name: str
    text: str
    ops: tuple[Operation | None, ...]
    threads: int
    shared_bytes: int
    cooperative: bool
    maps: tuple[MapParameter, ...] = ()
    """The tensor maps that the kernel takes after its other parameters."""


def emit(function: kernel.Func) -> Source:
    """Spell a tile program whose register tiles have layouts. Raises CompileError for what has no CUDA C."""
    body = KernelEmitter(function).emit()
    code = "\n".join(line.text for line in body.lines)
    head = prelude("\n".join((code, *body.parameters))).splitlines()
    head += ["", *_description(function)]
    bounds = f"{body.threads}, 1" if body.one_a_multiprocessor else body.threads
    head += [f'extern "C" __global__ void __launch_bounds__({bounds}) {body.name}(']
    head += [f"    {p}{',' if n < len(body.parameters) else ')'}" for n, p in enumerate(body.parameters, 1)]
    head = head if body.parameters else [*head[:-1], head[-1] + ")"]
    head += ["{"]
    if body.shared_bytes:
        head += ["  extern __shared__ __align__(1024) unsigned char shared[];"]
    places = (("thread", "threadIdx.x"), ("lane", "threadIdx.x % 32"), ("warp", "threadIdx.x / 32"))
    head += [f"  const int {name} = {text};" for name, text in places if re.search(rf"\b{name}\b", code)]
    ops: list[Operation | None] = [None] * len(head) + [line.op for line in body.lines] + [None]
    text = "\n".join([*head, *(line.text for line in body.lines), "}", ""])
    shared_bytes = max(body.shared_bytes, function.shared_bytes or 0)
    return Source(body.name, text, tuple(ops), body.threads, shared_bytes, body.cooperative, body.maps)


def _description(function: kernel.Func) -> list[str]:
    nodes = ", ".join(function.onnx or ()) or "no ONNX node"
    lines = [f"// {function.sym_name}: {nodes}".replace("\n", " ")[:400]]
    if function.tactic:
        schedule = (
            ", ".join(f"{k} = {str(v).partition(' : ')[0]}" for k, v in function.schedule.items)
            if function.schedule
            else ""
        )
        lines.append(f"// {function.tactic}{': ' if schedule else ''}{schedule}")
    return lines
