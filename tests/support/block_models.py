"""Small graphs in which every fusion has something to do: the blocks that real networks are made of.

`MODELS[name]()` gives a model with seeded weights, scaled so that every layer about keeps the variance; `inputs` what
it takes. Sizes are small, odd and no multiples of any tile.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper, shape_inference

MOBILE = """
mobile (float[2, 3, 17, 19] x,
        float[8, 3, 3, 3] w0, float[8] s0, float[8] b0, float[8] m0, float[8] v0,
        float[24, 8, 1, 1] w1, float[24] s1, float[24] b1, float[24] m1, float[24] v1,
        float[24, 1, 3, 3] w2, float[24] s2, float[24] b2, float[24] m2, float[24] v2,
        float[6, 24, 1, 1] w3, float[6] b3, float[24, 6, 1, 1] w4, float[24] b4,
        float[8, 24, 1, 1] w5, float[8] s5, float[8] b5, float[8] m5, float[8] v5)
    => (float[2, 8, 9, 10] y) {
  c0 = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (x, w0)
  n0 = BatchNormalization (c0, s0, b0, m0, v0)
  a0 = HardSwish (n0)
  c1 = Conv (a0, w1)
  n1 = BatchNormalization (c1, s1, b1, m1, v1)
  g1 = Sigmoid (n1)
  a1 = Mul (n1, g1)
  c2 = Conv <group = 24, pads = [1, 1, 1, 1]> (a1, w2)
  n2 = BatchNormalization (c2, s2, b2, m2, v2)
  a2 = HardSwish (n2)
  p = GlobalAveragePool (a2)
  c3 = Conv (p, w3, b3)
  a3 = Relu (c3)
  c4 = Conv (a3, w4, b4)
  g4 = HardSigmoid (c4)
  a4 = Mul (a2, g4)
  c5 = Conv (a4, w5)
  n5 = BatchNormalization (c5, s5, b5, m5, v5)
  y = Add (n5, a0)
}
"""

BRANCHES = """
branches (float[2, 12, 9, 7] x,
          float[12] s0, float[12] b0, float[12] m0, float[12] v0, float[16, 12, 1, 1] w0,
          float[16] s1, float[16] b1, float[16] m1, float[16] v1, float[8, 16, 3, 3] w1,
          float[8, 20, 1, 1] w2, float[8] b2, float[6, 20, 1, 1] w3, float[6] b3, float[5, 6, 5, 5] w4, float[5] b4,
          float[7, 20, 1, 1] w5, float[7] b5, float[10, 20, 1, 1] w6, float[10] b6)
    => (float[2, 30] y) {
  n0 = BatchNormalization (x, s0, b0, m0, v0)
  a0 = Relu (n0)
  c0 = Conv (a0, w0)
  n1 = BatchNormalization (c0, s1, b1, m1, v1)
  a1 = Relu (n1)
  c1 = Conv <pads = [1, 1, 1, 1]> (a1, w1)
  dense = Concat <axis = 1> (x, c1)
  c2 = Conv (dense, w2, b2)
  a2 = Relu (c2)
  c3 = Conv (dense, w3, b3)
  a3 = Relu (c3)
  c4 = Conv <pads = [2, 2, 2, 2]> (a3, w4, b4)
  a4 = Relu (c4)
  p5 = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (dense)
  c5 = Conv (p5, w5, b5)
  a5 = Relu (c5)
  c6 = Conv (dense, w6, b6)
  a6 = Relu (c6)
  joined = Concat <axis = 1> (a2, a4, a5, a6)
  half = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (joined)
  mean = GlobalAveragePool (half)
  y = Flatten (mean)
}
"""

TRANSFORMER = """
transformer (float[2, 7, 40] x,
             float[40] g0, float[40] b0, float[40, 40] wq, float[40] bq, float[40, 40] wk, float[40] bk,
             float[40, 40] wv, float[40] bv, float[40, 40] wo, float[40] bo,
             float[40] g1, float[40] b1, float[40, 60] wi, float[60] bi, float[60, 40] wd, float[40] bd)
    => (float[2, 7, 40] y)
    <int64[4] heads = {0, 0, 5, 8}, int64[3] flat = {0, 0, 40}, float scale = {0.3535533845424652},
     float root = {1.4142135623730951},
     float one = {1.0}, float half = {0.5}, float zero_f = {0}, float low = {-3.4028234663852886e38},
     int64 size = {7}, int64 zero = {0}, int64 step = {1}, int64[1] first = {0}, int64[1] second = {1}> {
  n0 = LayerNormalization (x, g0, b0)
  q0 = MatMul (n0, wq)
  q1 = Add (q0, bq)
  k0 = MatMul (n0, wk)
  k1 = Add (k0, bk)
  v0 = MatMul (n0, wv)
  v1 = Add (v0, bv)
  q2 = Reshape (q1, heads)
  k2 = Reshape (k1, heads)
  v2 = Reshape (v1, heads)
  q = Transpose <perm = [0, 2, 1, 3]> (q2)
  k = Transpose <perm = [0, 2, 3, 1]> (k2)
  v = Transpose <perm = [0, 2, 1, 3]> (v2)
  s0 = MatMul (q, k)
  s1 = Mul (s0, scale)
  range = Range (zero, size, step)
  row = Unsqueeze (range, second)
  column = Unsqueeze (range, first)
  future = Greater (column, row)
  mask = Where (future, low, zero_f)
  s2 = Add (s1, mask)
  p = Softmax <axis = -1> (s2)
  o0 = MatMul (p, v)
  o1 = Transpose <perm = [0, 2, 1, 3]> (o0)
  o2 = Reshape (o1, flat)
  o3 = MatMul (o2, wo)
  o4 = Add (bo, o3)
  h = Add (x, o4)
  n1 = LayerNormalization (h, g1, b1)
  f0 = MatMul (n1, wi)
  f1 = Add (f0, bi)
  e0 = Div (f1, root)
  e1 = Erf (e0)
  e2 = Add (e1, one)
  e3 = Mul (f1, e2)
  e4 = Mul (e3, half)
  d0 = MatMul (e4, wd)
  d1 = Add (d0, bd)
  y = Add (d1, h)
}
"""

RECURRENT = """
recurrent (float[5, 3, 6] x, float[2, 28, 6] w, float[2, 28, 7] r, float[2, 56] b) => (float[5, 2, 3, 7] y) {
  y, h, c = LSTM <hidden_size = 7, direction = "bidirectional"> (x, w, r, b)
}
"""


CACHE = """
cache (float[1, 3, 1, 8] x, float[1, 3, 5, 8] s_keys, float[1, 3, 5, 8] s_values)
    => (float[1, 3, 6, 8] keys, float[1, 3, 6, 8] values) {
  key = Neg (x)
  value = Abs (x)
  keys = Concat <axis = 2> (s_keys, key)
  values = Concat <axis = 2> (s_values, value)
}
"""

SPELLED = """
spelled (float[37, 1024] x, float[1024] g0, float[1024] b0) => (float[37, 1024] y, float total, float[37, 1024] sums)
    <int64 axis = {1}, float two = {2.0}, float epsilon = {1e-5}, int64[1] last = {1}, int64[2] all = {0, 1}> {
  mean = ReduceMean (x, last)
  centred = Sub (x, mean)
  again = Sub (x, mean)
  square = Pow (again, two)
  variance = ReduceMean (square, last)
  shifted = Add (variance, epsilon)
  deviation = Sqrt (shifted)
  unit = Div (centred, deviation)
  scaled = Mul (unit, g0)
  norm = Add (scaled, b0)
  top = ReduceMax (norm, last)
  below = Sub (norm, top)
  e = Exp (below)
  sum = ReduceSum (e, last)
  y = Div (e, sum)
  total = ReduceSum <keepdims = 0> (norm, all)
  sums = CumSum (x, axis)
}
"""

MASKED = """
masked (float[2, length] x) => (float[2, length] y)
    <int64 zero = {0}, int64 one = {1}, float low = {-10000.0}> {
  size = Shape <start = 1, end = 2> (x)
  length = Squeeze (size)
  places = Range (zero, length, one)
  inside = GreaterOrEqual (places, zero)
  y = Where (inside, x, low)
}
"""

KEPT = """
kept (float[67, 1] x, float[67, 67] w0, float[67, 290] w1, float[290, 67] w2) => (float[67, 67] y) {
  row = Transpose <perm = [1, 0]> (x)
  mask = Mul (x, row)
  a = MatMul (w0, mask)
  b = MatMul (a, w1)
  c = MatMul (b, w2)
  y = MatMul (c, mask)
}
"""


def _model(text: str) -> onnx.ModelProto:
    """The graph with all inputs but `x` as random weights; norms' variances are near one."""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]>{text.strip()}')
    rng = np.random.default_rng(7)
    weights = [value for value in model.graph.input if value.name != "x"]
    for value in weights:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        fan_in = max(int(np.prod(shape[1:])) if len(shape) > 2 else shape[0], 1)
        array = rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(fan_in))
        if len(shape) == 1 and value.name[0] in "svg":
            array = 1 + np.abs(array)
        model.graph.initializer.append(numpy_helper.from_array(array, value.name))
        model.graph.input.remove(value)
    onnx.checker.check_model(model)
    return shape_inference.infer_shapes(model, strict_mode=True)


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "mobile": lambda: _model(MOBILE),
    "branches": lambda: _model(BRANCHES),
    # Of one image, channels lie side by side.
    "branches_of_one": lambda: _model(BRANCHES.replace("[2, 12, 9, 7]", "[1, 12, 8, 8]").replace("[2, 30]", "[1, 30]")),
    "transformer": lambda: _model(TRANSFORMER),
    "recurrent": lambda: _model(RECURRENT),
    "cache": lambda: _model(CACHE),
    "spelled": lambda: _model(SPELLED),
    "masked": lambda: _model(MASKED),
    "kept": lambda: _model(KEPT),
}


def inputs(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """A seeded `x`, of length 6 where its length is open."""
    shape = [dim.dim_value or 6 for dim in model.graph.input[0].type.tensor_type.shape.dim]
    return {"x": np.random.default_rng(3).standard_normal(shape, dtype=np.float32)}
