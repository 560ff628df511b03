"""Recurrent layers of 16-bit numbers as `main` of a module before kernels form, on awkward sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelwright.ir import target as targets
from kernelwright.ir.attributes import DenseAttr, DictAttr, StringAttr
from kernelwright.ir.core import Value
from kernelwright.ir.dialects import nn
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.dialects.nn.recurrent import Recurrent
from kernelwright.ir.symbols import symbol
from kernelwright.ir.types import SCALARS, TensorType, scalar_of

GATES = {"Lstm": 4, "Gru": 3, "Rnn": 1}


@dataclass(frozen=True)
class RecurrentCase:
    """A layer with projected inputs; weights are constants, `dynamic` sizes are its batch and time."""

    kind: str
    direction: str = "forward"
    hidden: int = 64
    batch: int = 1
    time: int = 3
    lengths: bool = False
    initial: bool = False
    batch_first: bool = False
    dynamic: bool = False
    dtype: str = "f16"

    def __str__(self) -> str:
        return "-".join(str(v) for v in vars(self).values())

    def arrays(self) -> dict[str, np.ndarray]:
        """Every operand by name."""
        rng = np.random.default_rng(3)
        d, h, dtype = (2 if self.direction == "bidirectional" else 1), self.hidden, SCALARS[self.dtype].numpy
        gates = GATES[self.kind]

        def random(*shape: int, scale: float = 0.5) -> np.ndarray:
            return (rng.standard_normal(shape) * scale).astype(dtype)

        state = (self.batch, d, h) if self.batch_first else (d, self.batch, h)
        outer = (self.batch, self.time) if self.batch_first else (self.time, self.batch)
        operands = {
            "x": random(*outer, d * gates * h),
            "r": random(d, gates * h, h, scale=h**-0.5),
            "bias": random(d, 2 * gates * h),
        }
        if self.lengths:
            operands["sequence_lengths"] = np.resize(np.array([self.time, 1, 2], np.int32), self.batch)
        if self.initial:
            operands["initial_h"] = random(*state)
            if self.kind == "Lstm":
                operands["initial_c"] = random(*state)
        return operands

    def feeds(self) -> dict[str, np.ndarray]:
        """The inputs of `main`."""
        return {name: array for name, array in self.arrays().items() if name not in ("r", "bias")}

    def module(self) -> Module:
        main = function("main", [])
        values: dict[str, Value] = {}
        for name, array in self.arrays().items():
            if name in ("r", "bias"):
                values[name] = main.block.append(nn.Constant(DenseAttr(array))).result
            else:
                values[name] = main.block.add_argument(self._type(name, array), name)
        layer = self.layer(**values)
        main.block.append(layer)
        main.block.append(Return(tuple(layer.results)))
        main.arg_attrs = tuple(DictAttr.of({"kw.name": StringAttr(name)}) for name in self.feeds())
        names = ("y", "h", "c")[: len(layer.results)]
        main.res_attrs = tuple(DictAttr.of({"kw.name": StringAttr(name)}) for name in names)
        main.update_type()
        module = Module.empty("layer")
        targets.builtin("cuda:h200").attach(module)
        module.attributes["kw.phase"] = StringAttr("legalize")
        module.block.append(main)
        return module

    def layer(self, **operands: Any) -> Recurrent:
        """The op on values of this case's types."""
        kind: Any = getattr(nn, self.kind)
        special = {"linear_before_reset": True} if self.kind == "Gru" else {}
        return kind(w=None, direction=self.direction, batch_first=self.batch_first, **operands, **special)

    def expected(self) -> list[np.ndarray]:
        """The results in float64: outputs and last states."""
        wide = {name: a.astype(np.float64) if a.dtype != np.int32 else a for name, a in self.arrays().items()}
        main = function("main", [])
        values = {
            name: main.block.add_argument(TensorType(a.shape, scalar_of(a.dtype)), name) for name, a in wide.items()
        }
        layer = self.layer(**values)
        return [np.asarray(a) for a in layer.interpret([wide[str(v.name)] for v in layer.operands], {})]

    def _type(self, name: str, array: np.ndarray) -> TensorType:
        shape: list[Any] = list(array.shape)
        if self.dynamic:
            batch, time = symbol("batch"), symbol("time")
            places = {"x": (batch, time) if self.batch_first else (time, batch), "sequence_lengths": (batch,)}
            state = (batch,) if self.batch_first else (shape[0], batch)
            sizes = places.get(name, state)
            shape[: len(sizes)] = sizes
        return TensorType(tuple(shape), scalar_of(array.dtype))


RECURRENT_CASES = [
    *(RecurrentCase(kind) for kind in GATES),
    *(RecurrentCase(kind, "bidirectional", batch=3, time=4, lengths=True, initial=True) for kind in GATES),
    *(RecurrentCase(kind, "reverse", batch=9, lengths=True, initial=True, batch_first=True) for kind in GATES),
    *(RecurrentCase(kind, "bidirectional", 128, batch=11, time=5, initial=True, dynamic=True) for kind in GATES),
    RecurrentCase("Lstm", hidden=32, batch=2, time=1),
    RecurrentCase("Lstm", "bidirectional", 64, batch=2, time=4, dtype="bf16"),
]
