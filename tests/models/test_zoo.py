from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import zoo
from materialize import load

CASES = [case for model in zoo.MODELS for case in zoo.cases(model)]


def declared_dims(model: str) -> dict[str, list[int | str]]:
    graph = onnx.load(zoo.FOLDER / f"{model}.onnx", load_external_data=False).graph
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in graph.input
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inputs_agree_with_the_graph(case: zoo.Case) -> None:
    inputs, symbols = case.inputs(), dict[str, int]()
    declared = declared_dims(case.model)
    assert list(inputs) == list(declared)
    for name, array in inputs.items():
        assert array.dtype == zoo.graph_inputs(case.model)[name]
        assert array.shape == case.shapes()[name]
        for dim, size in zip(declared[name], array.shape, strict=True):
            # A symbol stands for one size throughout the graph.
            assert size == (dim if isinstance(dim, int) else symbols.setdefault(dim, size))


def test_inputs_depend_on_the_seed_alone() -> None:
    case = zoo.cases("bert_base.dynamo")[1]
    once, again, other = case.inputs(), case.inputs(), case.inputs(seed=1)
    assert all(np.array_equal(once[name], again[name]) for name in once)
    assert not np.array_equal(once["input_ids"], other["input_ids"])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_masks_hide_some_tokens_and_keep_some(case: zoo.Case) -> None:
    for name, array in case.inputs().items():
        if "mask" in name:
            rows = array.sum(axis=1)
            assert rows.min() > 0
            assert rows.max() < array.shape[1]


def test_positions_continue_the_past() -> None:
    case = zoo.cases("gpt2_past.ts")[1]
    assert case.inputs()["position_ids"].tolist() == [[17, 18, 19]] * 2


def test_materialized_is_a_complete_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_TEST_CACHE", str(tmp_path))
    path = zoo.materialized("gru.ts")
    onnx.checker.check_model(path, full_check=True)
    assert path.read_bytes() == load(zoo.FOLDER / "gru.ts.onnx").SerializeToString()


def test_materialized_is_made_once_for_each_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_TEST_CACHE", str(tmp_path))
    path = zoo.materialized("gru.ts")
    made = path.stat().st_ino
    assert zoo.materialized("gru.ts").stat().st_ino == made
    path.with_suffix(".crc32").write_text("of another graph")
    assert zoo.materialized("gru.ts").stat().st_ino != made
