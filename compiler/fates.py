"""What became of every node of a model: the answer to `--remarks NODE` and `inspect --nodes`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..ir.core import Operation
from ..ir.dialects import host, kernel, nn, onnx, plan
from ..ir.dialects.builtin import Module
from ..passes.graph.fold_constants import FoldConstants
from ..passes.manager import Event, Instrument

VIEW, CONSTANT = "view", "constant"


@dataclass(frozen=True)
class Fate:
    """Where a node ended.

    `kind` is "kernel", "host", "view", "constant", "eliminated", or "op" before kernels are formed. `detail` is the
    kernel that makes the node's result, or the pass that eliminated the node; `others` are the other kernels that
    compute a part of it, `companions` the nodes that share its kernel.
    """

    kind: str
    detail: str = ""
    others: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.kind:
            case "kernel":
                shared = f", with {', '.join(map(repr, self.companions))}" if self.companions else ", alone"
                also = f"; parts of it in {', '.join(map(repr, self.others))}" if self.others else ""
                return f"in kernel '{self.detail}'{shared}{also}"
            case "view":
                return "a view: another tensor's memory, read or written in place"
            case "constant":
                return "a constant: computed at compile time"
            case "host":
                return "a step of the host"
            case "op":
                return "in no kernel yet"
            case _:
                return f"eliminated by {self.detail}"


@dataclass
class NodeFates(Instrument):
    """Follows the names of ONNX nodes through the passes: what is in no op any more was eliminated by the last pass."""

    nodes: dict[str, None] = field(default_factory=dict)
    """The model's nodes, in its order."""
    _left: set[str] = field(default_factory=set)
    _computed: set[str] = field(default_factory=set)
    """Those of `_left` that some op but a constant bears."""
    _gone: dict[str, Fate] = field(default_factory=dict)

    def before_pass(self, event: Event) -> None:
        if event.position == 0:
            self.nodes = dict.fromkeys(
                name for op in _outside_kernels(event.module) if not _is_constant(op) for name in op.location.names
            )
            self._left = self._computed = set(self.nodes)

    def after_pass(self, event: Event) -> None:
        present = _names(event.module)
        for name in self._left - present:
            folded = name not in self._computed or isinstance(event.transform, FoldConstants)
            self._gone[name] = Fate(CONSTANT) if folded else Fate("eliminated", event.transform.name)
        self._left &= present
        self._computed = _names(event.module, constants=False)

    def of(self, module: Module) -> dict[str, Fate]:
        """The fate of every node in `module`, which went through the passes that this looked at."""
        found = dict(self._gone)
        for kind, names in _kinds(module):
            found |= {name: Fate(kind) for name in names if name in self.nodes}
        found |= _kernel_fates(module, self.nodes)
        return {name: found.get(name, Fate("op")) for name in self.nodes}


def without_kernel(fates: dict[str, Fate]) -> dict[str, tuple[str, ...]]:
    """The nodes that no kernel and no host step computes, by what became of them, as a plan records them."""
    groups: dict[str, list[str]] = {}
    for name, fate in fates.items():
        if fate.kind not in ("kernel", "host"):
            groups.setdefault(f"{fate.kind} by {fate.detail}" if fate.detail else fate.kind, []).append(name)
    return {what: tuple(names) for what, names in groups.items()}


def _outside_kernels(module: Module) -> Iterator[Operation]:
    """The ops of `main`, or of a module of any other form."""
    for op in module.block:
        if not isinstance(op, kernel.Func):
            yield from op.walk()


def _is_constant(op: Operation) -> bool:
    return op.name == onnx.CONSTANT or isinstance(op, nn.Constant | plan.Weight)


def _names(module: Module, constants: bool = True) -> set[str]:
    """Every node name outside kernels, whose calls bear the names of what is inside; with or without constants."""
    ops = _outside_kernels(module)
    return {name for op in ops if constants or not _is_constant(op) for name in op.location.names}


def _kinds(module: Module) -> Iterator[tuple[str, Sequence[str]]]:
    """Names of the ops of `main` by kind, the stronger claims last."""
    order = {
        CONSTANT: (nn.Constant, plan.Weight),
        VIEW: (nn.Reshape, nn.Concat, plan.Alias),
        "host": (host.Call, plan.Host),
    }
    ops = list(_outside_kernels(module))
    for kind, classes in order.items():
        for op in ops:
            if isinstance(op, classes):
                yield kind, op.location.names


def _kernel_fates(module: Module, nodes: Iterable[str]) -> dict[str, Fate]:
    """Every node that a kernel computes belongs to the last kernel that bears its name: that one makes its result."""
    known = set(nodes)
    kernels: dict[str, list[str]] = {}
    members: dict[str, list[str]] = {}
    for op in _outside_kernels(module):
        if isinstance(op, kernel.Call | plan.Launch):
            for name in op.location.names:
                if name in known:
                    kernels.setdefault(name, []).append(op.callee.name)
            members.setdefault(op.callee.name, []).extend(n for n in op.location.names if n in known)
    fates = {}
    for name, homes in kernels.items():
        companions = tuple(other for other in dict.fromkeys(members[homes[-1]]) if other != name)
        fates[name] = Fate(
            "kernel", homes[-1], tuple(dict.fromkeys(k for k in homes[:-1] if k != homes[-1])), companions
        )
    return fates
