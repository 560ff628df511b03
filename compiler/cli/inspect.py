"""`kernelwright inspect`: what a plan, an IR file or a model holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ...ir.diagnostics import CompileError, suggest
from ...runtime.planfile import read_plan
from ..inspection import describe_module, describe_plan
from ..irfile import read_module
from ..onnx.importer import import_model
from .format import bytes_text, count_text, names_text, table, time_text
from .options import FILE


@click.command("inspect")
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--kernels", is_flag=True, help="List the kernels of a plan.")
@click.option("--nodes", is_flag=True, help="List the model's nodes with what became of each: its kernel, or why none.")
@click.option("--tactics", is_flag=True, help="List each kernel's strategy, its parameters and what was timed.")
@click.option("--source", metavar="KERNEL", help="Print the source of a kernel.")
@click.option("--ir", is_flag=True, help="Print the plan's IR, or the IR of an imported model.")
def command(file: Path, as_json: bool, kernels: bool, nodes: bool, tactics: bool, source: str | None, ir: bool) -> None:
    """Describe FILE: a plan, IR text (.mlir), or an ONNX model."""
    if file.suffix == ".mlir" or file.suffix == ".onnx":
        module = read_module(file) if file.suffix == ".mlir" else import_model(str(file))
        data = describe_module(module)
        click.echo(module if ir else json.dumps(data, indent=2) if as_json else _module_text(file, data))
        return
    plan, tensors = read_plan(file)
    if source is not None:
        known = plan.kernel_table()
        if source not in known:
            raise CompileError(f"the plan has no kernel '{source}'{suggest(source, known)}")
        name = known[source].source
        click.echo(bytes(tensors[name]).decode() if name else f"the plan holds no source for '{source}'")
        return
    data = describe_plan(plan, tensors)
    if ir:
        click.echo(plan.ir)
    elif as_json:
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo(_plan_text(file, data, kernels, nodes))
        if tactics:
            click.echo("\n" + _tactics_text(data))


def _plan_text(file: Path, data: dict[str, Any], kernels: bool, nodes: bool) -> str:
    arena, bound = data["arena_bytes"], data["arena_lower_bound_bytes"]
    lines = [
        f"{file}: {data['name']} for {data['target']} ({data['arch']}), {data['precision']}",
        *_interface(data),
        f"kernels  {len(data['kernels'])} in {sum(k['calls'] for k in data['kernels'])} launches",
        f"weights  {bytes_text(data['weight_bytes'])}",
        f"arena    {bytes_text(arena)}; the largest live set is {bytes_text(bound)}",
    ]
    for name, symbol in data["symbols"].items():
        top = "any" if symbol["max"] is None else symbol["max"]
        lines.append(f"dim      {name}: {symbol['min']} to {top}; sizes here are for {symbol['shown']}")
    lines += [f"host     {', '.join(f['onnx_nodes'])}: {f['reason']}" for f in data["host_fallbacks"]]
    if kernels:
        rows = [
            [
                k["name"], str(k["calls"]), k["tactic"], "x".join(map(str, k["grid"])),
                count_text(k["flops"]), bytes_text(k["bytes"]), names_text(k["onnx_nodes"]),
            ]
            for k in data["kernels"]
        ]  # fmt: skip
        headers = ["kernel", "calls", "tactic", "grid", "flops", "bytes", "ONNX nodes"]
        lines += ["", table(headers, rows, right=(1, 4, 5))]
    if nodes:
        lines += ["", table(["ONNX node", "fate"], [[name, fate] for name, fate in data["nodes"].items()])]
    return "\n".join(lines)


def _tactics_text(data: dict[str, Any]) -> str:
    """A line for each candidate, the fastest of a kernel first; kernels that nobody timed have one."""
    rows = []
    for kernel in data["kernels"]:
        timed = sorted(kernel["timings"], key=lambda timing: timing["seconds"])
        chosen = {"tactic": kernel["tactic"], "schedule": kernel["schedule"], "seconds": None}
        for number, timing in enumerate(timed or [chosen]):
            seconds = timing["seconds"]
            cost = "by the cost model" if seconds is None else time_text(seconds)
            rows.append([kernel["name"] if number == 0 else "", timing["tactic"], timing["schedule"], cost])
    return table(["kernel", "tactic", "schedule", "time"], rows, right=(3,))


def _module_text(file: Path, data: dict[str, Any]) -> str:
    phase = f" after phase {data['phase']}" if data["phase"] else ""
    lines = [f"{file}: {data['name'] or 'module'}{phase}", *_interface(data)]
    lines.append(f"weights  {data['weights']}, {bytes_text(data['weight_bytes'])}")
    rows = [[name, str(count)] for name, count in data["ops"].items()]
    return "\n".join([*lines, "", table(["op", "count"], rows, right=(1,))])


def _interface(data: dict[str, Any]) -> list[str]:
    lines = []
    for kind in ("inputs", "outputs"):
        for tensor in data[kind]:
            shape = "x".join(map(str, tensor.get("shape", ())))
            lines.append(f"{kind[:-1]:<8} {tensor['name']}: {tensor.get('dtype', tensor.get('type'))} [{shape}]")
    return lines
