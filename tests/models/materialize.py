#!/usr/bin/env python3
"""Fill the weight stubs of a test graph with deterministic random weights.

The graphs in this folder are real exports (torch.onnx.export, both exporters) whose large float weights were replaced
by a stub that records the tensor's mean and standard deviation in its doc_string. This writes a complete, checkable
ONNX file: the same bytes for the same graph, always. The recorded deviations of convolutions give every layer's output
unit variance (layer-sequential unit-variance initialization), so that outputs depend on the input and comparing them
means something.

    materialize.py resnet50.dynamo.onnx OUT.onnx            # needs numpy and onnx only
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
import onnx


def load(path: str | Path) -> onnx.ModelProto:
    """The graph at `path` with every weight filled in."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            fill(tensor)
    return model


def fill(tensor: onnx.TensorProto) -> None:
    """Replace a stub by normal float32 values, seeded with the tensor's name."""
    mean, std = map(float, tensor.doc_string.split())
    rng = np.random.default_rng(zlib.crc32(tensor.name.encode()))
    values = rng.standard_normal(tuple(tensor.dims), dtype=np.float32) * np.float32(std) + np.float32(mean)
    tensor.ClearField("external_data")
    tensor.ClearField("doc_string")
    tensor.data_location = onnx.TensorProto.DEFAULT
    tensor.raw_data = values.tobytes()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    onnx.save(load(sys.argv[1]), sys.argv[2])
