#!/usr/bin/env python3
"""The model zoo: each graph of this folder with the sizes it is tested at and realistic, seeded inputs.

    import zoo                                  # pytest's pythonpath names this folder
    case = zoo.cases("bert_base.dynamo")[0]     # at its own sizes; [1] is at another batch and length
    case.path                                   # the materialised model, made on first use
    case.inputs()                               # {"input_ids": array, ...}
    zoo.Case("bert_base.dynamo", {"batch": 32, "seq": 128})

    zoo.py [MODEL ...]                          # materialise (all by default) and print path and sizes

Materialised files go to $KERNELWRIGHT_TEST_CACHE, by default ~/.cache/kernelwright-tests.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from materialize import load

FOLDER = Path(__file__).resolve().parent
Sizes = Mapping[str, int]
Dim = int | str


@dataclass(frozen=True)
class Family:
    """What the exports of one network share: input shapes by name, and the sizes of the named dimensions."""

    shapes: dict[str, tuple[Dim, ...]]
    own: Sizes
    other: Sizes
    vocabulary: int = 0


def vision(side: int = 224) -> Family:
    return Family({"input": ("batch", 3, side, side)}, own={"batch": 1}, other={"batch": 3})


def bert() -> Family:
    names = ("input_ids", "attention_mask", "token_type_ids")
    shapes: dict[str, tuple[Dim, ...]] = dict.fromkeys(names, ("batch", "seq"))
    return Family(shapes, own={"batch": 1, "seq": 128}, other={"batch": 2, "seq": 37}, vocabulary=30_000)


def gpt2_past() -> Family:
    cache: tuple[Dim, ...] = ("batch", 12, "past", 64)
    shapes: dict[str, tuple[Dim, ...]] = {"input_ids": ("batch", "seq"), "position_ids": ("batch", "seq")}
    shapes |= {f"past.{layer}.{part}": cache for layer in range(12) for part in ("key", "value")}
    own, other = {"batch": 1, "seq": 1, "past": 64}, {"batch": 2, "seq": 3, "past": 17}
    return Family(shapes, own, other, vocabulary=50_000)


def t5_decoder() -> Family:
    shapes: dict[str, tuple[Dim, ...]] = {
        "decoder_input_ids": ("batch", "tgt"),
        "hidden": ("batch", "seq", 512),
        "attention_mask": ("batch", "seq"),
    }
    own, other = {"batch": 1, "tgt": 16, "seq": 64}, {"batch": 2, "tgt": 5, "seq": 23}
    return Family(shapes, own, other, vocabulary=32_000)


def t5_encoder() -> Family:
    shapes: dict[str, tuple[Dim, ...]] = {"input_ids": ("batch", "seq"), "attention_mask": ("batch", "seq")}
    return Family(shapes, own={"batch": 1, "seq": 64}, other={"batch": 2, "seq": 23}, vocabulary=32_000)


def recurrent() -> Family:
    return Family({"x": ("time", "batch", 256)}, own={"time": 50, "batch": 1}, other={"time": 7, "batch": 3})


# The sizes are those at which the other runtimes' figures in benchmarks/ were taken, so that results compare.
FAMILIES = {
    "bert_base": bert(),
    "bert_large": bert(),
    "densenet121": vision(),
    "efficientnet_b0": vision(),
    "gpt2": Family(
        {"input_ids": ("batch", "seq")}, {"batch": 1, "seq": 64}, {"batch": 2, "seq": 19}, vocabulary=50_000
    ),
    "gpt2_past": gpt2_past(),
    "gru": recurrent(),
    "inception_v3": vision(side=299),
    "lstm": recurrent(),
    "mobilenet_v3_large": vision(),
    "resnet50": vision(),
    "t5_small_dec": t5_decoder(),
    "t5_small_enc": t5_encoder(),
    "vit_b_16": vision(),
}
# Graphs whose exporter fixed the dimensions: the only sizes they accept.
# (The ViT's input names a symbolic batch, but its reshapes and its output are for one image.)
STATIC: dict[str, Sizes] = {"gpt2_past.dynamo": {"batch": 2, "seq": 1, "past": 8}, "vit_b_16.dynamo": {"batch": 1}}
MODELS = sorted(file.name.removesuffix(".onnx") for file in FOLDER.glob("*.onnx"))


@dataclass(frozen=True)
class Case:
    """One model at one choice of sizes."""

    model: str
    sizes: Sizes = field(hash=False)

    def __str__(self) -> str:
        return self.model + "@" + ",".join(f"{name}={size}" for name, size in self.sizes.items())

    @property
    def family(self) -> Family:
        return FAMILIES[self.model.partition(".")[0]]

    @property
    def path(self) -> Path:
        return materialized(self.model)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every input's shape, in the graph's order."""
        return {name: self._shape(name) for name in graph_inputs(self.model)}

    def inputs(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Random inputs, the same for the same seed: valid token ids, masks with padding, consecutive positions."""
        return {name: self._input(name, dtype, seed) for name, dtype in graph_inputs(self.model).items()}

    def _shape(self, name: str) -> tuple[int, ...]:
        return tuple(dim if isinstance(dim, int) else self.sizes[dim] for dim in self.family.shapes[name])

    def _input(self, name: str, dtype: np.dtype, seed: int) -> np.ndarray:
        shape = self._shape(name)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        if dtype.kind == "f":
            return rng.standard_normal(shape, dtype=np.float32).astype(dtype)
        column = np.broadcast_to(np.arange(shape[1]), shape)
        if "mask" in name:
            return (column < padded_lengths(*shape)).astype(dtype)
        if "token_type" in name:
            return (column >= shape[1] // 2).astype(dtype)
        if "position" in name:
            return (column + self.sizes["past"]).astype(dtype)
        return rng.integers(0, self.family.vocabulary, shape).astype(dtype)


def padded_lengths(batch: int, length: int) -> np.ndarray:
    """Real tokens in each row, as a column: the first row is an eighth shorter than the mask, later rows more so."""
    padding = np.arange(1, batch + 1) * length // 8 % length
    return (length - padding)[:, None]


def cases(model: str) -> list[Case]:
    """The model at its own sizes and, where its dimensions are symbolic, at another batch and length."""
    if model in STATIC:
        return [Case(model, STATIC[model])]
    family = FAMILIES[model.partition(".")[0]]
    return [Case(model, family.own), Case(model, family.other)]


def graph_inputs(model: str) -> dict[str, np.dtype]:
    """The names and dtypes of the inputs that a caller provides."""
    graph = onnx.load(FOLDER / f"{model}.onnx", load_external_data=False).graph
    initializers = {tensor.name for tensor in graph.initializer}
    return {
        value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        for value in graph.input
        if value.name not in initializers
    }


def cache_folder() -> Path:
    default = Path.home() / ".cache" / "kernelwright-tests"
    return Path(os.environ.get("KERNELWRIGHT_TEST_CACHE", default))


def materialized(model: str) -> Path:
    """The complete ONNX file of `model`, written on first use and again when its graph has changed."""
    graph, cached = FOLDER / f"{model}.onnx", cache_folder() / f"{model}.onnx"
    checksum, recorded = f"{zlib.crc32(graph.read_bytes()):08x}", cached.with_suffix(".crc32")
    if cached.exists() and recorded.exists() and recorded.read_text() == checksum:
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    # Test processes may race here: each writes a file of its own, and the last rename wins.
    scratch = cached.with_suffix(f".{os.getpid()}.tmp")
    onnx.save(load(graph), scratch)
    scratch.replace(cached)
    recorded.write_text(checksum)
    return cached


def main(models: list[str]) -> None:
    if unknown := set(models) - set(MODELS):
        sys.exit(f"zoo.py: unknown model {', '.join(sorted(unknown))}; known are {', '.join(MODELS)}")
    for model in models or MODELS:
        print(materialized(model), *(str(case).partition("@")[2] for case in cases(model)))


if __name__ == "__main__":
    main(sys.argv[1:])
