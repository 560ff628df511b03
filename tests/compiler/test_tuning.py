"""Tuning: what the cache holds decides, measured or not; and one clear error for each way to ask wrongly."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from filecheck_plugin import run_command
from onnx_graphs import expected
from small_models import small_model

import kernelwright
from kernelwright.compiler.tuning.cache import Entry, TimingCache


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small_model(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def compiled(model: Path, *options: str, plan: str = "model.plan") -> Path:
    path = model.parent / plan
    code, _, err = run_command(["compile", str(model), "-o", str(path), "--shapes=input:2x3x32x32", *options])
    assert code == 0, err
    return path


def kernels(plan: Path) -> dict[str, dict[str, object]]:
    _, out, _ = run_command(["inspect", str(plan), "--json"])
    return {kernel["onnx_nodes"][0]: kernel for kernel in json.loads(out)["kernels"]}


def lines(cache: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in cache.read_text().splitlines()]


def test_times_are_taken_once_and_two_builds_are_equal(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "times.jsonl"
    first = compiled(model, "--tune", f"--timing-cache={cache}", plan="first.plan")
    taken = cache.read_bytes()
    second = compiled(model, "--tune", f"--timing-cache={cache}", plan="second.plan")
    assert len(lines(cache)) > len(kernels(first))
    assert cache.read_bytes() == taken
    assert first.read_bytes() == second.read_bytes()
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32), np.float32)
    found = kernelwright.load(str(first)).create_context().run({"input": x})["logits"]
    assert np.allclose(found, expected(onnx.load(str(model)), {"input": x})[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chosen", [0, 1, -1])
def test_the_least_time_in_the_cache_wins(model: Path, tmp_path: Path, chosen: int) -> None:
    cache = tmp_path / "times.jsonl"
    compiled(model, "--builder-level=5", "--avg-timing=1", f"--timing-cache={cache}")
    entries = lines(cache)
    kernel = entries[-1]["kernel"]
    candidates = [entry for entry in entries if entry["kernel"] == kernel]
    for entry in candidates:
        entry["seconds"] = 1e-9 if entry is candidates[chosen] else 1.0
    cache.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    plan = compiled(model, "--builder-level=5", "--error-on-cache-miss", f"--timing-cache={cache}")
    (tuned,) = (k for k in kernels(plan).values() if k["name"] == candidates[0]["name"])
    assert (tuned["tactic"], tuned["schedule"]) == (candidates[chosen]["tactic"], candidates[chosen]["schedule"])
    _, out, _ = run_command(["inspect", str(plan), "--tactics"])
    assert "1.000 ns" in out
    assert "1.000 s" in out


def test_without_measurements_the_cost_model_fills_the_gaps(model: Path, tmp_path: Path) -> None:
    plain = compiled(model, plan="plain.plan")
    cached = compiled(model, f"--timing-cache={tmp_path / 'empty.jsonl'}", plan="cached.plan")
    assert plain.read_bytes() == cached.read_bytes()
    assert not (tmp_path / "empty.jsonl").exists()
    _, out, _ = run_command(["inspect", str(plain), "--tactics"])
    assert "by the cost model" in out


def test_a_higher_level_times_more(model: Path, tmp_path: Path) -> None:
    caches = [tmp_path / f"{level}.jsonl" for level in (1, 3)]
    for level, cache in zip((1, 3), caches, strict=True):
        compiled(model, f"--builder-level={level}", "--avg-timing=1", f"--timing-cache={cache}")
    assert len(lines(caches[0])) < len(lines(caches[1]))


def test_a_tactic_is_forced_on_one_node(model: Path) -> None:
    usual, forced = kernels(compiled(model)), kernels(compiled(model, "--force-tactic=conv=generic"))
    assert usual["conv"]["tactic"] != "generic"
    assert forced.pop("conv")["tactic"] == "generic"
    assert forced == {node: kernel for node, kernel in usual.items() if node != "conv"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--error-on-cache-miss"], "an empty timing cache lacks"),
        (["--force-tactic=fc"], "expected NODE=STRATEGY to force a tactic, found 'fc'"),
        (["--force-tactic=fc=gem"], "no strategy is called 'gem'; did you mean 'gemm'?"),
        (["--force-tactic=conf=gemm"], "'conf=gemm': no kernel computes a node 'conf'; did you mean 'conv'?"),
        (["--force-tactic=fc=conv"], "not one convolution on a CPU"),
        (["--builder-level=6"], "6 is not in the range 0<=x<=5"),
        (["--timing-cache=/nowhere/t.jsonl", "--tune"], "cannot write the timing cache '/nowhere/t.jsonl'"),
        (["--tune", "--target=cuda:sm_90a"], "cannot time candidates for cuda:sm_90a"),
    ],
)
def test_what_cannot_be_done_is_one_error(model: Path, options: Sequence[str], message: str) -> None:
    code, _, err = run_command(["compile", str(model), "-o", str(model.with_suffix(".plan")), *options])
    assert code != 0
    assert message in err
    assert "Traceback" not in err
    assert not model.with_suffix(".plan").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"kernel": "a"}', "times.jsonl:2: the line lacks"), ("{", "times.jsonl:2: the line is no entry of JSON")],
)
def test_a_broken_line_is_named(model: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "times.jsonl").write_text(f"\n{text}\n")
    options = [f"--timing-cache={tmp_path}/times.jsonl", "-o", str(tmp_path / "m.plan")]
    code, _, err = run_command(["compile", str(model), *options])
    assert code == 1
    assert message in err


def entry(kernel: str, seconds: float) -> Entry:
    return Entry(kernel, "gemm", "{m = 64 : i64}", seconds, "fc", "cpu", "0")


def test_the_last_line_for_a_candidate_counts(tmp_path: Path) -> None:
    TimingCache(tmp_path / "t").record([entry("a", 1.0), entry("b", 2.0), entry("a", 3.0)])
    cache = TimingCache(tmp_path / "t")
    assert cache.lookup("a", "gemm", "{m = 64 : i64}") == 3.0
    assert cache.lookup("c", "gemm", "{m = 64 : i64}") is None


def _write(path: Path, name: str) -> None:
    for number in range(200):
        TimingCache(path).record([entry(f"{name}{number}", float(number))])


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    writers = [multiprocessing.Process(target=_write, args=(tmp_path / "t", name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(lines(tmp_path / "t")) == 600
