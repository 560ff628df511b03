"""Recurrent layers, with the operands, gate orders and layouts of ONNX.

x is [time, batch, inputs], w [directions, gates · hidden, inputs], r [directions, gates · hidden, hidden], the bias
[directions, 2 · gates · hidden] (of w, then of r), initial states [directions, batch, hidden]. The results are every
state [time, directions, batch, hidden] and the last ones [directions, batch, hidden]. With `batch_first` x is [batch,
time, inputs], the states [batch, directions, hidden] and the first result [batch, time, directions, hidden].

Without w the input is projected already: x is [time, batch, directions · gates · hidden], all x wᵀ of the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from ...core import Value
from ...loop_nest import Body, E
from ...numpy_body import NumpyBody, computing_type, convert, widen
from ...symbols import Dim
from ...types import Scalar, Type
from .base import Array, NnOp, require_same, scalar_type, shape, tensor_type
from .contraction import Precision
from .formulas import expm1_negative, log1p, logistic, negative

# Default alpha and beta of the activations that have them.
_PARAMETERS: dict[str, tuple[float, ...]] = {
    "affine": (1.0, 0.0),
    "leaky_relu": (0.01,),
    "thresholded_relu": (1.0,),
    "scaled_tanh": (1.0, 1.0),
    "hard_sigmoid": (0.2, 0.5),
    "elu": (1.0,),
}
_PLAIN = ("sigmoid", "tanh", "relu", "softsign", "softplus")


class Activation:
    """An activation function of a gate: its name and its parameters, written `tanh` or `elu(1.0)`."""

    def __init__(self, name: str, *parameters: float) -> None:
        self.name = name
        self.parameters = parameters or _PARAMETERS.get(name, ())

    @staticmethod
    def parse(text: str) -> Activation:
        """Read the written form. Raises ValueError for an unknown function or a wrong number of parameters."""
        name, _, rest = text.partition("(")
        parameters = tuple(float(part) for part in rest.rstrip(")").split(",")) if rest else ()
        known = name in _PARAMETERS or name in _PLAIN
        if not known or (parameters and len(parameters) != len(_PARAMETERS.get(name, ()))):
            raise ValueError(f"{text!r} is no activation")
        return Activation(name, *parameters)

    def apply(self, body: Body[E], x: E, dtype: Scalar) -> E:
        """The function of an element."""
        zero, one = body.constant(0.0, dtype), body.constant(1.0, dtype)
        numbers = [body.constant(p, dtype) for p in self.parameters]
        match self.name:
            case "sigmoid":
                return logistic(body, x, dtype)
            case "tanh":
                return body.apply("tanh", x)
            case "relu":
                return body.apply("max", x, zero)
            case "softsign":
                return body.apply("div", x, body.apply("add", one, body.apply("abs", x)))
            case "softplus":
                small = body.apply("exp", body.apply("neg", body.apply("abs", x)))
                return body.apply("add", body.apply("max", x, zero), log1p(body, small, dtype))
            case "affine":
                return body.apply("add", body.apply("mul", x, numbers[0]), numbers[1])
            case "leaky_relu":
                return body.apply("select", negative(body, x, dtype), body.apply("mul", x, numbers[0]), x)
            case "thresholded_relu":
                return body.apply("select", body.apply("ge", x, numbers[0]), x, zero)
            case "scaled_tanh":
                return body.apply("mul", numbers[0], body.apply("tanh", body.apply("mul", x, numbers[1])))
            case "hard_sigmoid":
                line = body.apply("add", body.apply("mul", x, numbers[0]), numbers[1])
                return body.apply("max", body.apply("min", line, one), zero)
            case _:
                below = body.apply("mul", expm1_negative(body, x, dtype), numbers[0])
                return body.apply("select", negative(body, x, dtype), below, x)


Step = Callable[[Array, tuple[Array, ...]], tuple[Array, ...]]
"""One step of a cell: from x w of the step and the states (the output first) to the next states."""


class Recurrent(NnOp):
    """What recurrent layers share. `sequence_lengths` [batch] of i32: results beyond a sequence's end are 0."""

    x: Value
    w: Value | None
    r: Value
    bias: Value | None = None
    sequence_lengths: Value | None = None
    initial_h: Value | None = None
    direction: Literal["forward", "reverse", "bidirectional"] = "forward"
    activations: tuple[str, ...] = ()
    clip: float | None = None
    batch_first: bool = False
    precision: Precision = "ieee"
    has_loop_nest = False
    gates: ClassVar[int]
    states: ClassVar[int] = 1
    defaults: ClassVar[tuple[str, ...]]

    @property
    def hidden(self) -> Dim:
        return shape(self.r)[2]

    @property
    def directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1

    def functions(self, direction: int) -> list[Activation]:
        """The activations of a direction, f, g and h of ONNX in order."""
        count = len(self.defaults)
        names = self.activations[direction * count :][:count] or self.defaults
        return [Activation.parse(name) for name in names]

    def infer(self) -> list[Type]:
        x, *weights_types = (tensor_type(v) for v in (self.x, self.w, self.r) if v is not None)
        *_, r = weights_types
        for other in weights_types:
            self.require(x.rank == other.rank == 3, f"needs operands of rank 3, found {x} and {other}")
            self.require(x.scalar.is_float and x.dtype == other.dtype, f"operand types differ: {x} and {other}")
        time, batch = x.dims[1::-1] if self.batch_first else x.dims[:2]
        if self.w is not None:
            require_same(self, tensor_type(self.w).dims[2], x.dims[2], "numbers of inputs")
        else:
            require_same(self, x.dims[2], r.dims[2] * self.gates * self.directions, "numbers of projected inputs")
        for weights in weights_types:
            require_same(self, weights.dims[0], self.directions, "numbers of directions")
            require_same(self, weights.dims[1], r.dims[2] * self.gates, "numbers of rows of gates")
        wanted = (0, self.directions * len(self.defaults))
        self.require(len(self.activations) in wanted, f"needs {wanted[1]} activations, found {len(self.activations)}")
        state = (batch, self.directions, self.hidden) if self.batch_first else (self.directions, batch, self.hidden)
        every = (batch, time, *state[1:]) if self.batch_first else (time, *state)
        return [x.with_shape(every), *[x.with_shape(state)] * self.states]

    def verify(self) -> None:
        super().verify()
        try:
            for direction in range(self.directions):
                self.functions(direction)
        except ValueError as error:
            self.fail(str(error))

    def _run(self, x: Array, w: Array | None, lengths: Array | None, starts: Sequence[Array | None], step: Any) -> Any:
        """Run every direction; `step(direction)` makes the cell's Step."""
        dtype = scalar_type(self.x)
        x = widen(x)
        x = x.swapaxes(0, 1) if self.batch_first else x
        time, batch, _ = x.shape
        ends = np.full(batch, time) if lengths is None else np.asarray(lengths)
        hidden = (x.shape[2] // self.directions if w is None else w.shape[1]) // self.gates
        every = np.zeros((time, self.directions, batch, hidden), x.dtype)
        last = np.zeros((self.states, self.directions, batch, hidden), x.dtype)
        for direction in range(self.directions):
            backwards = self.direction == "reverse" or direction == 1
            cell: Step = step(direction)
            inputs = self._project(x, w, direction)
            state = tuple(self._start(start, direction, last[0, 0]) for start in starts)
            for t in range(time)[:: -1 if backwards else 1]:
                # A sequence that has ended, or run backwards not yet begun, keeps its state.
                live = (t < ends)[:, None]
                following = cell(inputs[t], state)
                state = tuple(np.where(live, new, old) for new, old in zip(following, state, strict=True))
                every[t, direction] = np.where(live, state[0], 0)
            last[:, direction] = state
        if self.batch_first:
            every, last = every.transpose(2, 0, 1, 3), last.swapaxes(1, 2)
        return tuple(convert(result, dtype) for result in (every, *last))

    def _project(self, x: Array, w: Array | None, direction: int) -> Array:
        if w is not None:
            return np.matmul(x, widen(w)[direction].T)
        width = x.shape[2] // self.directions
        return x[:, :, direction * width : (direction + 1) * width]

    def _start(self, initial: Array | None, direction: int, like: Array) -> Array:
        if initial is None:
            return np.zeros_like(like)
        return widen(initial)[:, direction] if self.batch_first else widen(initial)[direction]

    def _bias(self, bias: Array | None, direction: int, r: Array) -> tuple[Array, Array]:
        """The biases of w and of r for a direction."""
        if bias is None:
            return np.zeros_like(r[0, :, 0]), np.zeros_like(r[0, :, 0])
        of_w, of_r = np.split(widen(bias)[direction], 2)
        return of_w, of_r

    def _gate(self, function: Activation) -> Callable[[Array], Array]:
        """The activation of a gate on arrays, what it gets clipped."""
        apply, clip = self._plain(function), self.clip
        return apply if clip is None else lambda x: apply(np.clip(x, -clip, clip))

    def _plain(self, function: Activation) -> Callable[[Array], Array]:
        dtype = computing_type(scalar_type(self.x))
        return lambda x: function.apply(NumpyBody(), x, dtype)


class Rnn(Recurrent, name="nn.rnn"):
    """h' = f(x wᵀ + h rᵀ + bias). ONNX RNN.

    Example: %y, %h = "nn.rnn"(%x, %w, %r) {direction = "forward", batch_first = false,
        operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32>) -> (tensor<5x1x2x4xf32>, tensor<1x2x4xf32>)
    """

    gates = 1
    defaults = ("tanh",)

    def evaluate(
        self, x: Array, w: Array | None, r: Array, bias: Array | None, lengths: Array | None, h: Array | None
    ) -> tuple[Array, ...]:
        r = widen(r)

        def cell(direction: int) -> Step:
            (f,) = map(self._gate, self.functions(direction))
            bias_sum = sum(self._bias(bias, direction, r))
            recurrent = r[direction].T
            return lambda inputs, state: (f(inputs + state[0] @ recurrent + bias_sum),)

        return self._run(x, w, lengths, [h], cell)


class Gru(Recurrent, name="nn.gru"):
    """Gated recurrent units: gates update, reset, new; f of the first two, g of the last. ONNX GRU.

    h' = (1 - z) g(x wₙ + (reset ⊙ h) rₙ) + z h; with `linear_before_reset` the reset scales h rₙ and its bias.

    Example: %y, %h = "nn.gru"(%x, %w, %r) {direction = "forward", linear_before_reset = true,
        operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32>) -> (tensor<5x1x2x4xf32>, tensor<1x2x4xf32>)
    """

    linear_before_reset: bool = False
    gates = 3
    defaults = ("sigmoid", "tanh")

    def evaluate(
        self, x: Array, w: Array | None, r: Array, bias: Array | None, lengths: Array | None, h: Array | None
    ) -> tuple[Array, ...]:
        r = widen(r)

        def cell(direction: int) -> Step:
            f, g = map(self._gate, self.functions(direction))
            of_w, of_r = self._bias(bias, direction, r)
            recurrent = r[direction].T
            hidden = recurrent.shape[0]

            def step(inputs: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
                (h,) = state
                ahead = inputs + of_w
                gates = f(ahead[:, : 2 * hidden] + h @ recurrent[:, : 2 * hidden] + of_r[: 2 * hidden])
                z, reset = np.split(gates, 2, axis=1)
                tail, tail_bias = recurrent[:, 2 * hidden :], of_r[2 * hidden :]
                if self.linear_before_reset:
                    new = g(ahead[:, 2 * hidden :] + reset * (h @ tail + tail_bias))
                else:
                    new = g(ahead[:, 2 * hidden :] + (reset * h) @ tail + tail_bias)
                return ((1 - z) * new + z * h,)

            return step

        return self._run(x, w, lengths, [h], cell)


class Lstm(Recurrent, name="nn.lstm"):
    """Long short-term memory: gates input, output, forget, cell; f of gates, g of the cell's input, h of it. ONNX LSTM.

    c' = forget ⊙ c + input ⊙ g(…), h' = output ⊙ h(c'); with `input_forget` the forget gate is 1 - input. `peepholes`
    [directions, 3 · hidden] weigh c in the input, output and forget gates.

    Example: %y, %h, %c = "nn.lstm"(%x, %w, %r) {direction = "forward",
        operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>} : (tensor<5x2x3xf32>, tensor<1x16x3xf32>,
        tensor<1x16x4xf32>) -> (tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>)
    """

    initial_c: Value | None = None
    peepholes: Value | None = None
    input_forget: bool = False
    gates = 4
    states = 2
    defaults = ("sigmoid", "tanh", "tanh")

    def evaluate(
        self,
        x: Array,
        w: Array | None,
        r: Array,
        bias: Array | None,
        lengths: Array | None,
        h: Array | None,
        c: Array | None,
        peepholes: Array | None,
    ) -> tuple[Array, ...]:
        r = widen(r)

        def cell(direction: int) -> Step:
            first, second, last = self.functions(direction)
            # The cell's own state is not clipped, as in ONNX Runtime.
            f, g, out = self._gate(first), self._gate(second), self._plain(last)
            bias_sum = sum(self._bias(bias, direction, r))
            recurrent = r[direction].T
            hidden = recurrent.shape[0]
            weights = np.zeros(3 * hidden, r.dtype) if peepholes is None else widen(peepholes)[direction]
            of_input, of_output, of_forget = np.split(weights, 3)

            def step(inputs: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
                h, c = state
                i, o, forget, new = np.split(inputs + h @ recurrent + bias_sum, 4, axis=1)
                i = f(i + of_input * c)
                forget = 1 - i if self.input_forget else f(forget + of_forget * c)
                c = forget * c + i * g(new)
                return f(o + of_output * c) * out(c), c

            return step

        return self._run(x, w, lengths, [h, c], cell)
