"""The pass from the onnx dialect to nn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...ir import symbols
from ...ir.core import Operation, OpResult, Value
from ...ir.diagnostics import CompileError, Diagnostic, VerifyError
from ...ir.dialects import host, nn
from ...ir.dialects import onnx as dialect
from ...ir.dialects.builtin import Func, Module
from ...ir.equalities import Equality, attach
from ...ir.profile import Profile
from ...ir.symbols import Dim, free_symbols, is_run_time
from ...ir.types import NoneType, Scalar, TensorType
from ..analysis.read_sizes import needless_reads
from ..base import Pass, PassContext
from . import (
    attention,
    cached_attention,
    classification,
    contraction,
    control,
    einsum,
    elementwise,
    features,
    host_operators,
    indexing,
    linear_attention,
    microsoft,
    normalization,
    pooling,
    quantization,
    recurrent,
    reduction,
    regions,
    resize,
    sampling,
    selection,
    sequences,
    shape,
    spectral,
    suppression,
    training,
    trees,
)
from .content import Contents
from .equalities import Equalities, input_symbols, narrowed, rename
from .host import DOMAINS as HOST_DOMAINS
from .host import host_call
from .materialize import materialize
from .node import Node
from .registry import InvalidError, Legalization, UnsupportedError, legalization

FAMILIES = (
    attention,
    cached_attention,
    classification,
    contraction,
    control,
    einsum,
    elementwise,
    features,
    indexing,
    linear_attention,
    microsoft,
    normalization,
    pooling,
    quantization,
    recurrent,
    reduction,
    regions,
    resize,
    sampling,
    selection,
    sequences,
    shape,
    spectral,
    suppression,
    training,
    trees,
)
"""The modules whose import registers the legalizations."""


class LegalizeOnnx(Pass):
    """Express every ONNX operator, whatever its version, in nn ops of static rank with symbolic sizes.

    Sizes that the model computes with operators become expressions in the types; the ops that computed them are gone.

    Example: "onnx.Gemm"(%x, %w, %b) {transB = 1 : i64} becomes "nn.matmul"(%x, %w) {trans_b = true} and "nn.add".
    """

    name = "legalize-onnx"

    host_fallback: bool = False
    """Whether the host runs what no nn op expresses; otherwise that is an error."""

    def run(self, module: Module, context: PassContext) -> None:
        opsets = dialect.opsets(module)
        for function in module.block:
            if isinstance(function, Func) and any(map(dialect.is_onnx, function.walk())):
                copy, renaming, limits = legalized(function, opsets, self.host_fallback)
                module.block.insert_before(copy, function)
                function.erase()
                profile = narrowed(Profile.of(module), renaming, limits)
                if profile.ranges:
                    profile.attach(module)
                context.mark_changed()
        module.attributes.pop(dialect.OPSETS, None)


def is_legalized(domain: str, operator: str, opset: int) -> bool:
    """Whether the operator's version in `opset` has a legalization."""
    return legalization(domain, operator, opset) is not None


def legalized(
    function: Func, opsets: dict[str, int], host_fallback: bool = False
) -> tuple[Func, dict[str, Dim], dict[str, int]]:
    """A copy in the nn dialect, which symbols it renames, and the most that others may be.

    Where the ops turn out to need symbols of different inputs to be equal, or equal to a number, `function` is given
    one name for them, and legalized again: types are exact then from the start. Raises one CompileError that names
    every operator that cannot be legalized, with its nodes.
    """
    copy, equalities = _legalized(function, opsets, host_fallback)
    renaming: dict[str, Dim] = {}
    while found := equalities.renaming(function):
        rename(function, found)
        renaming = {name: symbols.substitute(dim, found) for name, dim in renaming.items()} | found
        copy, equalities = _legalized(function, opsets, host_fallback)
    attach(copy, _checkable(copy, equalities.needed()))
    return copy, renaming, equalities.limits()


def _checkable(function: Func, needed: Iterable[Equality]) -> list[Equality]:
    """The equalities whose sizes have a value in a run: not those of reads that turned out to be needless."""
    read = {name for op in function.walk() if isinstance(op, nn.ReadSizes) for name in op.symbols}

    def is_known(size: Dim) -> bool:
        return all(name in read or not is_run_time(name) for name in free_symbols(size))

    return [e for e in needed if is_known(e.left) and is_known(e.right)]


def _legalized(function: Func, opsets: dict[str, int], host_fallback: bool) -> tuple[Func, Equalities]:
    copy = function.clone()
    assert isinstance(copy, Func)
    legalizer = _Legalizer(opsets, set(input_symbols(function)), _all_symbols(function), host_fallback)
    legalizer.check(copy)
    legalizer.block(list(copy.block))
    legalizer.raise_unsupported()
    if host_fallback:
        legalizer.return_sequences(copy)
    _forget_abandoned(copy)
    materialize(copy, legalizer.contents)
    _remove_dead(copy)
    if any(map(dialect.is_onnx, copy.walk())):
        raise CompileError("the model has a sequence or an optional as a result; only tensors can be results")
    copy.update_type()
    return copy, legalizer.equalities


class _Legalizer:
    def __init__(self, opsets: dict[str, int], symbols: set[str], taken: set[str], host_fallback: bool) -> None:
        self.opsets = opsets
        self.symbols = symbols
        self.host_fallback = host_fallback
        self.contents = Contents(taken)
        self.equalities = Equalities()
        self.unsupported: dict[tuple[str, str], list[str]] = {}
        """Node names by operator and reason."""

    def check(self, function: Func) -> None:
        """Raise for all operators without a legalization before anything is done."""
        for op in function.walk():
            fallback = self.host_fallback and dialect.operator_of(op.name)[0] in HOST_DOMAINS
            if _is_node(op) and self.find(op) is None and not fallback:
                self.refuse(op, "")
        self.raise_unsupported()

    def find(self, op: Operation) -> Legalization | None:
        domain, operator = dialect.operator_of(op.name)
        return legalization(domain, operator, self.opsets.get(domain, 1))

    def block(self, ops: Iterable[Operation]) -> None:
        for op in ops:
            if _is_node(op):
                self.node(op)

    def node(self, op: Operation) -> None:
        # A node that reads the result of a refused one is left alone: the reason has been told.
        if any(_is_refused(value) for value in op.operands):
            return
        try:
            results = self.results(op)
        except UnsupportedError as reason:
            self.refuse(op, str(reason))
            return
        except VerifyError as error:
            raise error.with_note(f"while legalizing {op.name} {', '.join(map(repr, op.location.names))}") from None
        for old, new in zip(op.results, results, strict=False):
            if new is not None:
                new.name = new.name or old.name
                old.replace_all_uses_with(new)
        op.erase()

    def results(self, op: Operation) -> Sequence[Value | None]:
        """The values that replace the results of a node. Raises UnsupportedError where there are none."""
        if not self.host_fallback:
            return self.compiled(op)
        try:
            _require_tensors(op)
            return self.compiled(op)
        except InvalidError:
            raise
        except UnsupportedError as reason:
            if not isinstance(op.parent_op, Func):
                raise  # in a body: the host runs the node that the body belongs to
            return self.on_host(op, str(reason))

    def compiled(self, op: Operation) -> Sequence[Value | None]:
        domain, _ = dialect.operator_of(op.name)
        opset = self.opsets.get(domain, 1)
        function = self.find(op)
        if function is None:
            raise UnsupportedError("")
        results = function(Node(op, opset, self.contents, self.symbols, self.equalities, self.learn, self.block))
        return [results] if isinstance(results, Value) else list(results)

    def on_host(self, op: Operation, reason: str) -> Sequence[Value | None]:
        why = host_operators.reason(op) or f"{host.GAP}{reason or 'this operator'}"
        call = host_call(op, self.opsets, self.symbols, why)
        assert op.parent is not None
        op.parent.insert_before(call, op)
        results = iter(call.results)
        return [None if isinstance(result.type, NoneType) else next(results) for result in op.results]

    def return_sequences(self, function: Func) -> None:
        """Let the host make sequences that the model returns, of the tensors they are known to consist of."""
        end = function.block.terminator
        for index, value in enumerate(end.operands):
            if isinstance(value.owner, dialect.Sequence):
                node = Operation(dialect.op_name("", "Identity"), (value,), [value.type])
                call = host_call(node, self.opsets, self.symbols, "a sequence")
                node.drop_operands()
                function.block.insert_before(call, end)
                end.set_operand(index, call.results[0])

    def learn(self, op: Operation) -> None:
        """Called for every new nn op."""
        self.contents.learn(op)
        self.equalities.learn(op)

    def refuse(self, op: Operation, reason: str) -> None:
        if self.host_fallback and not isinstance(op.parent_op, Func):
            raise UnsupportedError(f"'{dialect.operator_of(op.name)[1]}' in its body: {reason or 'no kernel'}")
        self.unsupported.setdefault((op.name, reason), []).append(", ".join(op.location.names) or op.name)

    def raise_unsupported(self) -> None:
        if not self.unsupported:
            return
        diagnostics: list[Diagnostic] = []
        for (name, reason), nodes in self.unsupported.items():
            domain, operator = dialect.operator_of(name)
            version = self.opsets.get(domain)
            text = f"operator '{operator}' of {domain}" + (f" opset {version}" if version else "")
            message = f"{text} is not supported" + (f": {reason}" if reason else "")
            count = f"{len(nodes)} node{'s' * (len(nodes) != 1)}"
            more = f" and {len(nodes) - 5} more" if len(nodes) > 5 else ""
            listed = ", ".join(f"'{node}'" for node in nodes[:5])
            diagnostics.append(Diagnostic(message, notes=(f"{count}: {listed}{more}",)))
        raise CompileError(*diagnostics)


def _all_symbols(function: Func) -> set[str]:
    """The names of all symbols in the types of a function."""
    values = [*function.block.arguments, *(result for op in function.walk() for result in op.results)]
    shapes = (value.type.shape for value in values if isinstance(value.type, TensorType))
    return {name for shape in shapes for dim in shape or () for name in free_symbols(dim)}


def _is_node(op: Operation) -> bool:
    return dialect.is_onnx(op) and not isinstance(op, dialect.NoValue | dialect.Sequence | dialect.Yield)


def _is_refused(value: Value) -> bool:
    return isinstance(value, OpResult) and _is_node(value.op)


def _require_tensors(op: Operation) -> None:
    """Raise for operands that only the host holds; known sequences are looked through."""
    for index, value in enumerate(op.operands):
        known = isinstance(value.type, NoneType) or isinstance(value.owner, dialect.Sequence)
        if host.is_object(value.type) and not known:
            raise UnsupportedError(f"input {index} is {value.type}")
    for result in op.results:
        if isinstance(result.type, TensorType) and not isinstance(result.type.dtype, Scalar):
            raise UnsupportedError(f"its result is {result.type}")


def _forget_abandoned(function: Func) -> None:
    """Let go of the values of `function` that copies of subgraphs read, whose legalization was given up on the way."""
    inside = set(function.walk())
    blocks = [block for op in inside for region in op.regions for block in region.blocks]
    values = [*(v for op in inside for v in op.results), *(v for block in blocks for v in block.arguments)]
    for user in {user for value in values for user, _ in value.uses} - inside:
        user.set_operands(())


def _remove_dead(function: Func) -> None:
    for op in reversed(list(function.walk())):
        unused = not any(result.uses for result in op.results)
        removable = isinstance(op, nn.NnOp | dialect.NoValue | dialect.Sequence | host.Call) or _is_node(op)
        if unused and removable and op.parent is not None:
            op.erase()
    for op in needless_reads(function):
        op.erase()
