from __future__ import annotations

import dataclasses
import errno
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from cpu_plans import reversed_sum
from safetensors import safe_open
from safetensors.numpy import save_file

from kernelwright.runtime import planfile
from kernelwright.runtime.encoding import decode, encode
from kernelwright.runtime.engine import load
from kernelwright.runtime.errors import (
    NotAPlanError,
    PlanCorruptedError,
    PlanError,
    PlanTargetError,
    PlanTruncatedError,
    PlanVersionError,
    PlanWriteError,
)
from kernelwright.runtime.plan import (
    Alias,
    Arena,
    Buffer,
    Copy,
    CpuLevel,
    Equality,
    Fill,
    Host,
    If,
    IndexCheck,
    Input,
    Kernel,
    Launch,
    Loop,
    Native,
    Output,
    Place,
    Plan,
    Read,
    Symbol,
    Target,
    TensorMap,
    TensorSpec,
    Timing,
    Weight,
)
from kernelwright.runtime.planfile import read_plan, write_plan

LAUNCH = Launch(
    "k",
    ("a", "b"),
    ("n * 2", 7),
    ("ceildiv(n, 8)", 2, 1),
    128,
    (2, 1, 1),
    "n * 16",
    (TensorMap("a", "f16", (64, "n"), (128,), (64, 8), 128),),
    {"pdl": True, "tag": "x", "stages": 4},
)
EVERYTHING = Plan(
    name="all",
    target=Target("cuda", "cuda:sm_90a", "sm_90a", ("tma",)),
    precision="fp16",
    inputs=(TensorSpec("x", "f16", ("n", 3)), TensorSpec("scalar", "i64")),
    outputs=(TensorSpec("y", "f16", ("n", "k")),),
    buffers=(
        Buffer("a", "6 * n", Input(0), "f16", ("n", 3)),
        Buffer("b", "6 * n", Arena("max(c.end, 512)")),
        Buffer("v", 8, Alias("b", "2 * n")),
        Buffer("w", 16, Weight("weight/0")),
        Buffer("y", "2 * n", Output(0)),
    ),
    kernels=(
        Kernel(
            "k",
            "k_entry",
            "cubin",
            ("Conv_0", "Relu_1"),
            "wgmma",
            "2 * n",
            "4 * n",
            "source:k",
            "ptx:k",
            128,
            49152,
            "{m = 64 : i64}",
            (Timing("wgmma", "{m = 64 : i64}", 1.5e-6),),
        ),
    ),
    steps=(
        LAUNCH,
        Native("main", (LAUNCH, LAUNCH)),
        Copy("a", "b", "6 * n", 0, "n"),
        Fill("b", 0.5, "f16"),
        Fill("b", "n + 1", "i64"),
        Host(
            "kw.nonzero",
            ("a",),
            ("b",),
            ("k",),
            {"axis": 1, "eps": 1e-5, "mode": "c", "flag": True},
            ("NonZero_3",),
        ),
        Read(("k",), "b", "i32", 4),
        Place(2),
        Loop((If("k - 1", (LAUNCH,), (Loop((), 3),)),), "n", "k", "i"),
    ),
    symbols=(Symbol("n", 1, 8, 64), Symbol("k", 0, None, None, "step")),
    equalities=(Equality("n", "min(n, 64)", ("Add_2",)), Equality("n + 1", 8)),
    index_checks=(IndexCheck("y", "y", ("n", 4), ("Gather_1",)),),
    levels=(CpuLevel("cpu-avx2", ("avx2",), ("object/cpu-avx2", "pool/cpu-avx2")),),
    provenance={"compiler": "0.1.0", "onnx": "ab" * 32},
    without_kernel={"view": ("Reshape_2",)},
    ir='module @all {\n  "plan.launch"() : () -> () loc("Conv_0")\n}\n',
)
TENSORS = {
    "weight/0": np.arange(4, dtype=np.float32),
    "cubin": np.frombuffer(b"\x7fELF...", np.uint8),
    "source:k": np.frombuffer("__global__ void k() {} // é".encode(), np.uint8),
    "half": np.arange(64, dtype=np.float16).reshape(8, 8),
    "brain": np.arange(5).astype(ml_dtypes.bfloat16),
    "eight": np.arange(6).astype(ml_dtypes.float8_e4m3fn).reshape(2, 3),
    "scalar": np.array(-7, np.int64),
    "empty": np.zeros((0, 3), np.float64),
    "flags": np.array([True, False]),
    "strided": np.arange(24, dtype=np.int32).reshape(4, 6).T,
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write_plan(tmp_path / "all.plan", EVERYTHING, TENSORS)
    return tmp_path / "all.plan"


def test_program_survives_json() -> None:
    assert decode(Plan, json.loads(json.dumps(encode(EVERYTHING)))) == EVERYTHING


def test_everything_survives_a_file(saved: Path) -> None:
    plan, tensors = read_plan(saved)
    assert plan == EVERYTHING
    assert tensors.keys() == TENSORS.keys()
    for name, expected in TENSORS.items():
        assert (tensors[name].dtype, tensors[name].shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(tensors[name], expected)
        assert not tensors[name].flags.writeable


def test_the_safetensors_library_reads_it(saved: Path) -> None:
    with safe_open(saved, "np") as file:
        np.testing.assert_array_equal(file.get_tensor("strided"), TENSORS["strided"])
        metadata = file.metadata()
    assert metadata["format"] == "kernelwright.plan" and metadata["format_version"] == "2"
    assert metadata["ir"] == EVERYTHING.ir
    assert json.loads(metadata["provenance"]) == EVERYTHING.provenance


def test_same_plan_same_bytes(saved: Path, tmp_path: Path) -> None:
    write_plan(tmp_path / "again.plan", *read_plan(saved))
    assert (tmp_path / "again.plan").read_bytes() == saved.read_bytes()


def test_tensors_of_whole_cache_lines_are_aligned(saved: Path) -> None:
    _, tensors = read_plan(saved)
    assert tensors["half"].ctypes.data % 64 == 0


def test_four_bit_weights_are_stored_unpacked(tmp_path: Path) -> None:
    plan, tensors = reversed_sum()
    values = np.array([-8, 7, 1]).astype(ml_dtypes.int4)
    write_plan(tmp_path / "m.plan", plan, tensors | {"four": values})
    stored = read_plan(tmp_path / "m.plan")[1]["four"]
    assert stored.dtype == np.int8 and stored.tolist() == [-8, 7, 1]


def test_every_flipped_bit_is_noticed(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    damaged = tmp_path / "damaged.plan"
    random = np.random.default_rng(0)
    positions = {*range(48), *range(len(content) - 160, len(content)), *random.integers(0, len(content), 400).tolist()}
    for position in sorted(positions):
        flipped = bytearray(content)
        flipped[position] ^= 1 << int(random.integers(8))
        damaged.write_bytes(flipped)
        with pytest.raises(PlanError):
            read_plan(damaged)


def test_a_flip_in_a_weight_says_corrupted(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-3] ^= 1
    saved.write_bytes(content)
    with pytest.raises(PlanCorruptedError, match="is corrupted: its content does not match its hash"):
        read_plan(saved)


def test_every_truncation_is_noticed(saved: Path) -> None:
    content = saved.read_bytes()
    for length in (len(content) - 1, len(content) // 2, 4096, 200):
        saved.write_bytes(content[:length])
        with pytest.raises(PlanTruncatedError, match=f"is truncated: .*{length}"):
            read_plan(saved)


def test_appended_bytes_are_noticed(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"more")
    with pytest.raises(PlanCorruptedError):
        read_plan(saved)


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"\x08\0\0\0\0\0\0\0", b"not a plan at all, just text", b"\x08\x07\x12\x07pytorch" * 99]
)
def test_other_files_are_not_plans(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(NotAPlanError, match="is not a plan"):
        read_plan(tmp_path / "model.onnx")


def test_a_plain_safetensors_file_is_not_a_plan(tmp_path: Path) -> None:
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(NotAPlanError, match="is not a plan"):
        read_plan(tmp_path / "w.safetensors")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"cannot open plan '.*none.plan': no such file or directory"):
        read_plan(tmp_path / "none.plan")
    with pytest.raises(PlanError, match=r"cannot open plan .* is a directory"):
        read_plan(tmp_path)


def test_other_format_version(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planfile, "FORMAT_VERSION", 9)
    with pytest.raises(PlanVersionError, match="is a plan of format version 2, this runtime reads version 9"):
        read_plan(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": {"kind": "cpu"}}, "plan.target: Target lacks field 'name'"),
        ({"target": {"kind": "tpu", "name": "t"}}, "plan.target.kind: expected 'cpu' or 'cuda', found 'tpu'"),
        ({"steps": [{"class": "Jump"}]}, r"plan.steps\[0\]: expected Launch or Native or .*, found"),
        ({"steps": [{"class": "Launch", "kernel": "k", "gird": []}]}, r"steps\[0\]: Launch has no field 'gird'"),
        ({"symbols": [{"name": "n", "min": "1"}]}, r"plan.symbols\[0\].min: expected int, found '1'"),
        ({"buffers": 3}, "plan.buffers: expected a list, found 3"),
    ],
)
def test_programs_of_the_wrong_form(change: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        decode(Plan, json.loads(json.dumps(encode(EVERYTHING))) | change)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("cpu", "cpu", "riscv64-unknown-linux"), "the plan is for riscv64 processors"),
        (
            Target("cpu", "cpu:future", "", ("avx1024", "+sse2x")),
            r"for 'cpu:future', .* lacks: avx1024, \+sse2x\nnote: ",
        ),
    ],
)
def test_other_processor(tmp_path: Path, target: Target, message: str) -> None:
    plan, tensors = reversed_sum()
    write_plan(tmp_path / "m.plan", dataclasses.replace(plan, target=target), tensors)
    with pytest.raises(PlanTargetError, match=message):
        load(tmp_path / "m.plan")


# Writing


def test_a_full_disk_leaves_the_old_plan(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(planfile, "_write_content", full)
    with pytest.raises(PlanWriteError, match=r"cannot write plan '.*all.plan': no space left on device"):
        write_plan(saved, EVERYTHING, TENSORS)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["all.plan"]


def test_a_file_size_limit_leaves_the_old_plan(saved: Path) -> None:
    """The system itself refuses in the middle of the data."""
    before = saved.read_bytes()
    program = (
        "import resource, signal, sys, numpy as np\n"
        "from kernelwright.runtime.planfile import read_plan, write_plan\n"
        "plan, tensors = read_plan(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "write_plan(sys.argv[1], plan, tensors | {'large': np.ones(1 << 20)})\n"
    )
    path = Path(planfile.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", program, str(saved)],
        check=False,
        env={"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
    )
    assert "PlanWriteError: cannot write plan" in result.stderr and "file too large" in result.stderr
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["all.plan"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1 << 20


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PlanWriteError, match="no such file or directory"):
        write_plan(tmp_path / "none" / "m.plan", EVERYTHING, TENSORS)


def test_only_files_are_replaced(saved: Path, tmp_path: Path) -> None:
    for path in (Path(os.devnull), tmp_path, Path("")):
        with pytest.raises(PlanWriteError, match="not a regular file"):
            write_plan(path, EVERYTHING, TENSORS)
    (tmp_path / "link.plan").symlink_to(saved)
    before = saved.stat().st_ino
    write_plan(tmp_path / "link.plan", EVERYTHING, TENSORS)
    assert (tmp_path / "link.plan").is_symlink() and saved.stat().st_ino != before


def test_a_type_the_format_lacks(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="tensor 'z': a plan cannot hold elements of type complex64"):
        write_plan(tmp_path / "m.plan", EVERYTHING, {"z": np.zeros(2, np.complex64)})
    assert os.listdir(tmp_path) == []


def test_permissions_are_those_of_any_new_file(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_hundred_megabytes_open_quickly(tmp_path: Path) -> None:
    write_plan(tmp_path / "m.plan", EVERYTHING, {**TENSORS, "large": np.ones(100 << 18, np.float32)})
    start = time.perf_counter()
    read_plan(tmp_path / "m.plan")
    assert time.perf_counter() - start < 0.5
