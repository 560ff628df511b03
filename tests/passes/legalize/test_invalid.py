"""Nodes that no version of their operator allows are errors that say what was expected, with the node's name."""

from __future__ import annotations

import pytest
from onnx_graphs import graph

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import resolve
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.diagnostics import CompileError, InternalError

M, I, V = "float[2, 3] x", "float[1, 3, 8, 8] x", "float[1, 2, 4, 4] x"
W = "float[4, 3, 3, 3] w"

CASES = {
    "Transpose<perm = [0]>(x)": (M, "perm"),
    "Transpose<perm = [0, 0]>(x)": (M, "perm"),
    "Flatten<axis = 3>(x)": (M, "axis 3 is outside the 2 dimensions"),
    "Softmax<axis = -3>(x)": (M, "axis -3 is outside the 2 dimensions"),
    "Cast<to = 99>(x)": (M, "99 is no element type"),
    "Reshape(x, s)": (f"{M}; int64[2] s = {{4, 5}}", "has 6 elements"),
    "Reshape(x, t)": (f"{M}; int64[2] t = {{-1, -1}}", "one may be -1"),
    "Squeeze(x, s)": (f"{M}; int64[1] s = {{0}}", "axis 0 has size 2, not 1"),
    "Unsqueeze(x, s)": (f"{M}; int64[1] s = {{5}}", "axis 5"),
    "Expand(x, s)": (f"{M}; int64[2] s = {{4, 5}}", "size 2"),
    "Pad(x, s)": (f"{M}; int64[3] s = {{1, 1, 1}}", "3 pads for 2 axes"),
    'Pad<mode = "no">(x, t)': (f"{M}; int64[4] t = {{1, 1, 1, 1}}", "mode 'no'; expected constant"),
    "Tile(x, s)": (f"{M}; int64[3] s = {{1, 1, 1}}", "3 repeats for 2 dimensions"),
    "Split<axis = 1>(x, s)": (f"{M}; int64[2] s = {{1, 1}}", "for an axis of size 3"),
    "Gather<axis = 4>(x, s)": (f"{M}; int64[2] s = {{1, 1}}", "axis 4"),
    "TopK(x, s)": (f"{M}; int64[1] s = {{-1}}", "k = -1"),
    "OneHot(x, d, v)": (f"{M}; int64 d = {{3}}, float[3] v = {{0, 1, 2}}", "expected two"),
    "Det(x)": (M, "expected square ones"),
    "LRN<size = 0>(x)": (I, "size 0"),
    "Conv<strides = [0, 1]>(x, w)": (f"{I}, {W}", "expected 2 positive ones"),
    "Conv<pads = [1, 1]>(x, w)": (f"{I}, {W}", "pads"),
    "Conv<group = 0>(x, w)": (f"{I}, {W}", "numbers of channels of x and w differ"),
    'MaxPool<kernel_shape = [2, 2], auto_pad = "SAME">(x)': (I, "auto_pad 'SAME'"),
    "MaxPool<kernel_shape = [0, 2]>(x)": (I, "expected 2 positive sizes"),
    "AveragePool<kernel_shape = [2]>(x)": (I, "expected 2 positive sizes"),
    "DepthToSpace<blocksize = 2>(x)": (I, "no multiple of 4"),
    "DepthToSpace<blocksize = 0>(x)": (I, "blocksize 0"),
    "SpaceToDepth<blocksize = 3>(x)": (I, "8 is no multiple of 3"),
    'GridSample<mode = "best">(x, g)': (f"{V}, float[1, 3, 3, 2] g", "mode 'best'"),
    "GridSample(x, g)": (f"{V}, float[1, 3, 3, 5] g", "the last of size 2"),
    "Resize(x, , s)": (f"{V}; float[3] s = {{1, 1, 2}}", "expected 4 positive ones"),
    'Resize<mode = "best">(x, , t)': (f"{V}; float[4] t = {{1, 1, 2, 2}}", "mode 'best'"),
    'Einsum<equation = "ijk->i">(x)': (M, "'ijk' for an operand of 2 dimensions"),
    'Einsum<equation = "ij->k">(x)': (M, "'k' in the result"),
    'LSTM<hidden_size = 4, direction = "up">(a, b, c)': (
        "float[5, 2, 3] a, float[1, 16, 3] b, float[1, 16, 4] c",
        "direction 'up'",
    ),
    "MatMul(x, z)": (f"{M}, float[4, 5] z", "differ"),
    "Add(x, z)": (f"{M}, float[4, 5] z", "cannot broadcast"),
    "Where(x, x, x)": (M, "condition"),
}

RANKS = {"Squeeze": 1, "Unsqueeze": 3, "Gather": 3, "OneHot": 3, "Det": 0, "Einsum": 1}
"""Of the results that are not as many dimensions as the operand."""


@pytest.mark.parametrize("node", CASES)
def test_invalid_node(node: str) -> None:
    """With the host's help or without it: the host cannot run these either."""
    given, message = CASES[node]
    inputs, _, constants = given.partition("; ")
    made = "y, i" if node.startswith("TopK") else "y, z" if node.startswith("Split") else "y"
    rank = RANKS.get(node.partition("(")[0].partition("<")[0], 2 if inputs.startswith(M) else 4)
    result = f"float[{', '.join('abcd'[:rank])}]" if rank else "float"
    text = f"({inputs}) => ({result} y) {f'<{constants}>' if constants else ''} {{ {made} = {node} }}"
    model = graph(text)
    with pytest.raises(CompileError) as caught:
        compile_model(model, CompileOptions(target=resolve("cpu"), stop="kernels"))
    assert not isinstance(caught.value, InternalError)
    assert message in str(caught.value)
