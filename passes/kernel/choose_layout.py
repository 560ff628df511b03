"""Keep images between kernels with their channels last, where convolutions on tensor cores read them."""

from __future__ import annotations

from enum import Enum, auto

from ...ir.attributes import SymbolRefAttr
from ...ir.core import Operation, Value
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import tensor_type
from ...ir.symbols import product
from ...ir.target import CudaTarget, Target
from ...ir.types import TensorType
from ..analysis.prologues import channel_prologue
from ..base import Pass, PassContext
from ..tile.cuda_depthwise import is_depthwise
from .groups import is_linear_reshape
from .outline import merge_equal


class Taste(Enum):
    """What a kernel makes of images whose channels come last."""

    SUITS = auto()  # convolutions on tensor cores: they copy channels 16 bytes at a time
    WORKS = auto()  # element-wise ops, pooling, reductions: neighbours in memory are computed together all the same
    LOSES = auto()


class ChooseLayout(Pass):
    """Give images between kernels the layout [n, spatial…, channels] where convolutions on tensor cores gain by it.

    A convolution multiplies all channels of a pixel; where they lie together, 16 bytes of them are one asynchronous
    copy. The layout is chosen for each tensor of `main` that kernels make and read, and kernels alone: every kernel at
    it has to work with it, and a convolution that reads it has to make such a result. Kernels keep their meaning: the
    permutations stand in them, around what they compute, and are index arithmetic for the strategies. What the model
    takes and returns keeps its layout: kernels at the borders read one and make the other.

    Before:
        %0 = "kernel.call"(%x, %w) {callee = @conv} : (…) -> tensor<8x64x56x56xf16>
    After:
        %0 = "kernel.call"(%x, %w) {callee = @conv} : (…) -> tensor<8x56x56x64xf16>
    """

    name = "choose-layout"

    def run(self, module: Module, context: PassContext) -> None:
        if not isinstance(Target.of(module), CudaTarget):
            return
        chosen = _Choice(module).run()
        for call in [op for op in module.main.block if isinstance(op, kernel.Call)]:
            if any(value in chosen for value in (*call.operands, *call.results)):
                _convert(call, module, chosen)
        for value in chosen:
            value.type = _last(tensor_type(value))
        if chosen:
            merge_equal(module)
            context.count("channels last", len(chosen))
            context.mark_changed()


class _Choice:
    """Which values of `main` get their channels last: all that could, less those that others keep from it."""

    def __init__(self, module: Module) -> None:
        self.main = module.main
        self.tastes: dict[Operation, Taste] = {}

    def run(self) -> set[Value]:
        chosen: set[Value] = {
            result
            for op in self.main.block
            if isinstance(op, kernel.Call)
            for result in op.results
            if self._could(result)
        }
        while refused := {value for value in chosen if self._refused(value, chosen)}:
            chosen -= refused
        return chosen

    def _could(self, value: Value) -> bool:
        type = tensor_type(value)
        if type.rank < 3 or not all(isinstance(dim, int) for dim in type.dims[1:]) or product(type.dims[2:]) == 1:
            return False
        kernels = [value.owner, *value.users]
        calls = [op for op in kernels if isinstance(op, kernel.Call) and op.parent is self.main.block]
        tastes = [self._taste(op) for op in calls]
        return len(calls) == len(kernels) > 1 and Taste.LOSES not in tastes

    def _taste(self, call: kernel.Call) -> Taste:
        if call not in self.tastes:
            self.tastes[call] = _taste(call)
        return self.tastes[call]

    def _refused(self, value: Value, chosen: set[Value]) -> bool:
        """Whether a convolution would turn what it reads, or gather what it could copy, or a kernel only permute."""
        for user in value.users:
            if isinstance(user, kernel.Call) and self._taste(user) is Taste.SUITS and user.results[0] not in chosen:
                return True
        maker = value.owner
        assert isinstance(maker, kernel.Call)
        if self._taste(maker) is not Taste.SUITS:
            read_so = any(self._passes_on(user, chosen) for user in value.users)
            return not read_so or not any(operand in chosen for operand in maker.operands)
        conv = _convolution(maker.kernel)
        assert conv is not None
        image = _image(conv, maker)
        if image in chosen:
            return False
        gathers = image is None or any(n != 1 for n in (*conv.kernel, *conv.strides)) or any(conv.pads)
        return not gathers or not any(self._passes_on(user, chosen) for user in value.users)

    def _passes_on(self, user: Operation, chosen: set[Value]) -> bool:
        """Whether a reader is a convolution, or makes what is channels last again."""
        assert isinstance(user, kernel.Call)
        return self._taste(user) is Taste.SUITS or user.results[0] in chosen


_AROUND = nn.MaxPool | nn.AvgPool | nn.SumPool | nn.Reduce | nn.Concat | nn.Constant
"""What stands between convolutions and computes neighbours in memory together, whichever these are."""


def _taste(call: kernel.Call) -> Taste:
    func = call.kernel
    if len(call.results) != 1:
        return Taste.LOSES
    roots = [op for op in func.block if not isinstance(op, nn.Elementwise | kernel.Return)]
    # A reduction in parts reshapes what it reads.
    reduces = any(isinstance(op, nn.Reduce) for op in roots)
    roots = [op for op in roots if not (reduces and isinstance(op, nn.Reshape) and is_linear_reshape(op))]
    if all(isinstance(op, _AROUND) for op in roots):
        return Taste.WORKS
    conv = _convolution(func)
    if conv is None or any(op is not conv and not isinstance(op, nn.Constant) for op in roots):
        return Taste.LOSES
    if conv.group != 1:
        return Taste.WORKS if is_depthwise(conv) else Taste.LOSES
    dtype = tensor_type(conv.x).scalar
    on_tensor_cores = dtype.name in ("f16", "bf16") or (dtype.name == "f32" and conv.precision == "tf32")
    return Taste.SUITS if on_tensor_cores else Taste.LOSES


def _convolution(func: kernel.Func) -> nn.Conv | None:
    found = [op for op in func.block if isinstance(op, nn.Conv)]
    return found[0] if len(found) == 1 else None


def _image(conv: nn.Conv, call: kernel.Call) -> Value | None:
    """The operand of the call that the convolution copies; None where it gathers elements."""
    image = channel_prologue(conv.x)
    return call.operands[image.source.index] if image is not None else None


def _convert(call: kernel.Call, module: Module, chosen: set[Value]) -> None:
    """Let the call's kernel, or a copy of it for this call alone, take and make the chosen values channels last."""
    old = call.kernel
    func = old.clone()
    assert isinstance(func, kernel.Func)
    func.sym_name = _fresh(old.sym_name, module)
    module.block.insert_before(func, old)
    first = func.block.first
    assert first is not None
    for argument, operand in zip(func.block.arguments, call.operands, strict=True):
        if operand in chosen:
            type = tensor_type(argument)
            users = list(argument.uses)
            argument.type = _last(type)
            view = nn.Transpose(argument, (0, type.rank - 1, *range(1, type.rank - 1)))
            func.block.insert_before(view, first)
            for user, index in users:
                user.set_operand(index, view.result)
    end = func.block.terminator
    for index, (value, result) in enumerate(zip(end.operands, call.results, strict=True)):
        if result in chosen:
            view = nn.Transpose(value, (0, *range(2, tensor_type(value).rank), 1))
            func.block.insert_before(view, end)
            end.set_operand(index, view.result)
    made_last = call.results[0] in chosen
    func.in_place = tuple(i for i in func.in_place or () if (call.operands[i] in chosen) == made_last) or None
    call.callee = SymbolRefAttr(func.sym_name)
    if not _is_called(old, module):
        old.erase()


def _is_called(func: kernel.Func, module: Module) -> bool:
    return any(isinstance(op, kernel.Call) and op.callee.name == func.sym_name for op in module.main.walk())


def _fresh(name: str, module: Module) -> str:
    taken = module.symbols()
    return next(text for n in range(1, len(taken) + 2) if (text := f"{name}_last{n if n > 1 else ''}") not in taken)


def _last(type: TensorType) -> TensorType:
    batch, channels, *spatial = type.dims
    return type.with_shape((batch, *spatial, channels))
