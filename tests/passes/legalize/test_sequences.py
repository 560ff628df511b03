"""Sequences of known structure leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, graph, legalized, normal, ops

from kernelwright.ir.diagnostics import CompileError


def test_parts_that_are_joined_again() -> None:
    text = """(float[N, 6] x) => (float[N, ?] y) <int64 two = {2}, int64 last = {-1}> {
        s = SplitToSequence<axis = 1>(x, two)  e = SequenceErase(s, last)
        r = Relu(x)  t = SequenceInsert(e, r)  y = ConcatFromSequence<axis = 1>(t)
    }"""
    module = check(text, x=normal(3, 6))
    assert ops(module) == ["nn.slice", "nn.slice", "nn.relu", "nn.concat"]


def test_entries_and_lengths() -> None:
    text = """(float[3, M] x) => (float[M] y, int64 n) <int64 i = {1}> {
        s = SplitToSequence<axis = 0, keepdims = 0>(x)  y = SequenceAt(s, i)  n = SequenceLength(s)
    }"""
    check(text, x=normal(3, 5))


def test_a_new_axis() -> None:
    text = """(float[N] a, float[N] b) => (float[?, ?] y) {
        s = SequenceConstruct(a, b)  y = ConcatFromSequence<axis = -1, new_axis = 1>(s)
    }"""
    check(text, a=normal(3), b=normal(3, seed=1))


def test_an_optional_that_is_there() -> None:
    text = "(float[N] x) => (float[N] y, bool h) { o = OptionalGetElement(x)  y = Relu(o)  h = OptionalHasElement(x) }"
    check(text, judge="onnx", x=normal(3))


def test_a_sequence_cannot_be_a_result() -> None:
    with pytest.raises(CompileError, match="sequence or an optional as a result"):
        legalized(graph("(float[N] x) => (seq(float[N]) s) { s = SequenceConstruct(x) }"))


def test_a_sequence_of_run_time_is_refused_with_a_reason() -> None:
    with pytest.raises(CompileError, match="a sequence whose length is only known at run time"):
        check("(seq(float[N]) s) => (int64 n) { n = SequenceLength(s) }", s=np.zeros(1, np.float32))
