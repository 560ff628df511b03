"""`run`, `inspect` and `bench` on a plan, and one clear error for each way it can be wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from cpu_plans import expected, reversed_sum
from filecheck_plugin import run_command

from kernelwright.runtime.plan import Target
from kernelwright.runtime.planfile import write_plan


@pytest.fixture
def plan(tmp_path: Path) -> str:
    file = tmp_path / "reversed_sum.plan"
    write_plan(file, *reversed_sum())
    return str(file)


def test_run_on_a_file_writes_the_outputs(plan: str, tmp_path: Path) -> None:
    x = np.linspace(0, 1, 7, dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    code, out, err = run_command(["run", plan, f"--input=x={tmp_path}/x.npy", f"--output-dir={tmp_path}/out"])
    assert (code, err) == (0, "")
    assert out.startswith("y: float32[7] [")
    assert np.allclose(np.load(tmp_path / "out" / "y.npy"), expected(x))


def test_random_inputs_are_seeded(plan: str) -> None:
    first, second, other = (
        run_command(["run", plan, "--random-inputs", "--shapes=x:5", f"--seed={seed}"])[1] for seed in (1, 1, 2)
    )
    assert first == second != other


def test_random_inputs_have_the_usual_size_of_the_profile(plan: str) -> None:
    assert "float32[16]" in run_command(["run", plan, "--random-inputs"])[1]


def test_inspect_gives_every_fact_as_json(plan: str) -> None:
    code, out, _ = run_command(["inspect", plan, "--json"])
    data = json.loads(out)
    assert code == 0
    assert {"target", "precision", "inputs", "outputs", "kernels", "arena_bytes", "arena_lower_bound_bytes"} <= set(
        data
    )
    assert {"weight_bytes", "host_fallbacks"} <= set(data)
    assert data["inputs"] == [{"name": "x", "dtype": "f32", "shape": ["n"]}]
    assert data["weight_bytes"] == 400_000
    kernel = data["kernels"][0]
    assert set(kernel) == {"name", "onnx_nodes", "calls", "tactic", "schedule", "timings", "grid", "flops", "bytes"}
    assert (kernel["name"], kernel["onnx_nodes"], kernel["calls"]) == ("add", ["Add_0"], 1)


def test_inspect_lists_kernels_with_their_nodes(plan: str) -> None:
    _, out, _ = run_command(["inspect", plan, "--kernels"])
    assert "Reverse_1" in out
    assert "dim      n: 0 to 100000" in out


def test_bench_gives_percentiles_and_kernels_as_json(plan: str) -> None:
    command = ["bench", plan, "--iterations=9", "--warm-up=1", "--json", "--profile"]
    code, out, _ = run_command(command)
    data = json.loads(out)
    assert code == 0
    assert data["iterations"] == 9
    assert data["latency"]["min"] <= data["latency"]["p50"] <= data["latency"]["p99"] <= data["latency"]["max"]
    assert {kernel["name"] for kernel in data["kernels"]} == {"add", "reverse"}
    assert all(kernel["seconds"] > 0 and kernel["floor_seconds"] >= 0 for kernel in data["kernels"])


def test_a_profile_is_exported_as_a_trace(plan: str, tmp_path: Path) -> None:
    code, out, _ = run_command(
        ["bench", plan, "--iterations=1", "--warm-up=1", "--profile", f"--export-trace={tmp_path}/t"]
    )
    assert code == 0
    assert "TFLOP/s" in out
    events = json.loads((tmp_path / "t").read_text())["traceEvents"]
    assert [event["name"] for event in events] == ["add", "reverse"]
    assert events[1]["ts"] == pytest.approx(events[0]["ts"] + events[0]["dur"])
    assert events[0]["args"]["ONNX nodes"] == "Add_0"


def test_bench_for_people(plan: str) -> None:
    _, out, _ = run_command(["bench", plan, "--iterations=3", "--warm-up=1"])
    assert "p99" in out
    assert "inferences/s" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "x"),
        (["--input=z={file}"], "z"),
        (["--input=x={missing}"], "cannot read"),
        (["--input=x={text}"], "is not a .npy file"),
        (["--input={file}"], "expected NAME=FILE.npy"),
        (["--input=x={wrong_type}"], "expected element type f32, found f64"),
        (["--input=x={wrong_rank}"], "rank"),
        (["--input=x={too_long}"], "outside the profile"),
        (["--random-inputs", "--shapes=z:4"], "no input 'z'"),
        (["--random-inputs", "--shapes=x:4x4"], "rank"),
        (["--random-inputs", "--shapes=x:a"], "expected NAME:1x3x224x224, found 'x:a'"),
    ],
)
def test_wrong_inputs_are_one_error(plan: str, tmp_path: Path, options: list[str], message: str) -> None:
    arrays = {
        "file": np.zeros(4, np.float32),
        "wrong_type": np.zeros(4, np.float64),
        "wrong_rank": np.zeros((2, 2), np.float32),
        "too_long": np.zeros(100_001, np.float32),
    }
    files = {name: str(tmp_path / f"{name}.npy") for name in (*arrays, "text", "missing")}
    for name, array in arrays.items():
        np.save(files[name], array)
    Path(files["text"]).write_text("not numbers")
    code, out, err = run_command(["run", plan, *(option.format(**files) for option in options)])
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err


def damaged(plan: str, damage: str) -> None:
    """Make the plan file one that must be refused."""
    path = Path(plan)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "bit flipped":
        content[-100] ^= 4
        path.write_bytes(content)
    elif damage == "another format":
        path.write_bytes(b"\x08\x08onnx" + bytes(200))
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncated", "is truncated"),
        ("bit flipped", "is corrupted"),
        ("another format", "is not a plan"),
        ("empty", "is not a plan"),
        ("missing", "no such file"),
    ],
)
@pytest.mark.parametrize("command", ["run", "inspect", "bench"])
def test_a_damaged_plan_is_one_error(plan: str, command: str, damage: str, message: str) -> None:
    damaged(plan, damage)
    code, out, err = run_command([command, plan])
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


def test_a_plan_for_another_target_is_one_error(tmp_path: Path) -> None:
    plan, tensors = reversed_sum()
    other = dataclasses.replace(plan, target=Target("cpu", "cpu-neon", "aarch64-unknown-linux-gnu", ("neon",)))
    write_plan(tmp_path / "other.plan", other, tensors)
    code, _, err = run_command(["run", str(tmp_path / "other.plan"), "--random-inputs"])
    assert code == 1
    assert "aarch64" in err
    assert "Traceback" not in err
