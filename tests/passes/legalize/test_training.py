"""Update rules next to ONNX's reference: the first update and a later one, of two tensors."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx_graphs import compare, normal

RULES = {
    "Momentum": ('mode = "standard", alpha = 0.9, beta = 0.7, norm_coefficient = 0.01', 3),
    "Momentum-nesterov": ('mode = "nesterov", alpha = 0.9, beta = 0.7, norm_coefficient = 0.01', 3),
    "Adagrad": ("decay_factor = 0.1, epsilon = 1e-5, norm_coefficient = 0.01", 3),
    "Adam": ("alpha = 0.9, beta = 0.99, norm_coefficient = 0.01, norm_coefficient_post = 0.02", 4),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("count", [0, 3])
def test_update(rule: str, count: int) -> None:
    attributes, kinds = RULES[rule]
    shapes = ((3, 5), (1, 7))
    names = [f"{kind}{i}" for kind in "xgvh"[:kinds] for i in range(2)]
    inputs = ", ".join(f"float[{shapes[int(name[1])][0]}, {shapes[int(name[1])][1]}] {name}" for name in names)
    results = [f"{kind}{i}" for kind in "abc"[: kinds - 1] for i in range(2)]
    outputs = ", ".join(f"float[{shapes[int(name[1])][0]}, {shapes[int(name[1])][1]}] {name}" for name in results)
    operator = f"ai.onnx.preview.training.{rule.partition('-')[0]}"
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["" : 21, "ai.onnx.preview.training" : 1]>
        graph (float r, int64 t, {inputs}) => ({outputs}) {{
            {", ".join(results)} = {operator}<{attributes}>(r, t, {", ".join(names)})
        }}""")
    given = {name: np.abs(normal(*shapes[int(name[1])], seed=i)) for i, name in enumerate(names)}
    compare(model, {"r": np.array(0.1, np.float32), "t": np.array(count), **given}, "onnx")
