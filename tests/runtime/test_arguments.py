"""What callers may hand to run, and what they are told when it does not fit."""

from __future__ import annotations

import dataclasses
import re

import ml_dtypes
import numpy as np
import pytest
from cpu_plans import expected, reversed_sum
from fake_cuda import FakeDriver, FakeTensor

from kernelwright.runtime import Engine, InputError
from kernelwright.runtime.arguments import Arguments
from kernelwright.runtime.dlpack import export_tensor, import_tensor
from kernelwright.runtime.plan import Plan, Symbol, Target, TensorSpec
from kernelwright.runtime.shapes import ShapeBinder, narrowed

PLAN = Plan(
    name="p",
    target=Target("cpu", "cpu"),
    precision="fp32",
    inputs=(
        TensorSpec("ids", "i64", ("batch", "seq")),
        TensorSpec("mask", "f32", ("batch", 1, "past + seq")),
        TensorSpec("cache", "bf16", ("past", 4)),
        TensorSpec("scale", "f32"),
    ),
    outputs=(TensorSpec("logits", "f32", ("batch", 2)),),
    buffers=(),
    kernels=(),
    steps=(),
    symbols=(Symbol("batch", 1, 4, 8), Symbol("seq", 1, 128, None), Symbol("past", 0, None, 16)),
)
SHAPES = ((2, 5), (2, 1, 8), (3, 4), ())


class Exporter:
    """A tensor of another library: nothing of NumPy's but the protocol."""

    def __init__(self, array: np.ndarray, name: str) -> None:
        self.array, self.name = array, name

    def __dlpack__(self, **_):
        return export_tensor(self.array.ctypes.data, (1, 0), self.name, self.array.shape, self.array)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def inputs() -> dict[str, object]:
    return {
        "ids": np.zeros((2, 5), np.int64),
        "mask": np.zeros((2, 1, 8), np.float32),
        "cache": np.zeros((3, 4), ml_dtypes.bfloat16),
        "scale": np.float32(2.0),
    }


def test_inputs_in_order_of_the_plan() -> None:
    arrays = Arguments(PLAN).host_inputs(dict(reversed(inputs().items())))
    assert [(array.dtype.name, array.shape) for array in arrays] == [
        ("int64", (2, 5)),
        ("float32", (2, 1, 8)),
        ("bfloat16", (3, 4)),
        ("float32", ()),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": None}, "missing input 'ids'\nnote: the plan's inputs are: ids, mask, cache, scale"),
        ({"idz": np.zeros(1)}, "unknown input 'idz', the plan's inputs are: .*\nnote: did you mean 'ids'?"),
        ({"ids": np.zeros((2, 5), np.int32)}, "input 'ids': expected element type i64, found i32"),
        ({"mask": np.zeros((2, 1, 8), ">f4")}, "input 'mask': expected element type f32, found >f4"),
        ({"ids": [[1, 2]]}, "input 'ids': expected a NumPy array or a DLPack tensor of i64, found list"),
        ({"scale": 2.0}, "input 'scale': expected .*, found float"),
        ({"cache": np.zeros((3, 4), np.float16)}, "input 'cache': expected element type bf16, found f16"),
    ],
)
def test_wrong_inputs(change: dict[str, object], message: str) -> None:
    given = {name: value for name, value in (inputs() | change).items() if value is not None}
    with pytest.raises(InputError) as caught:
        Arguments(PLAN).inputs(given)
    assert re.match(message, str(caught.value)), str(caught.value)


def test_inputs_that_are_no_mapping() -> None:
    with pytest.raises(InputError, match="expected a mapping from names to tensors, found list"):
        Arguments(PLAN).inputs([np.zeros(1)])  # type: ignore[arg-type]


def test_four_bit_inputs_may_be_packed_types_of_numpy() -> None:
    plan = dataclasses.replace(PLAN, inputs=(TensorSpec("q", "i4", (3,)),))
    for array in (np.array([-8, 0, 7], np.int8), np.array([-8, 0, 7]).astype(ml_dtypes.int4)):
        (found,) = Arguments(plan).host_inputs({"q": array})
        assert found.dtype == np.int8 and found.tolist() == [-8, 0, 7]


def test_symbols_are_bound() -> None:
    assert ShapeBinder(PLAN).bind(SHAPES) == {"batch": 2, "seq": 5, "past": 3}


@pytest.mark.parametrize(
    ("index", "shape", "message"),
    [
        (0, (2,), r"input 'ids': expected rank 2 \[batch, seq\], found rank 1 \[2\]"),
        (1, (2, 2, 8), r"input 'mask': dimension 1: expected 1, found 2; expected shape \[batch, 1, past \+ seq\]"),
        (1, (3, 1, 8), r"'mask': dimension 0: expected 2 \('batch' from input 'ids', dimension 0\), found 3"),
        (1, (2, 1, 9), r"'mask': dimension 2: expected 8 \('past \+ seq'\), found 9"),
        (0, (9, 5), r"'ids': dimension 0 \('batch'\) is outside the profile: expected 1 to 8, found 9"),
        (0, (2, 0), r"'ids': dimension 1 \('seq'\) is outside the profile: expected at least 1, found 0"),
        (3, (1,), r"'scale': expected rank 0 \[\], found rank 1"),
    ],
)
def test_wrong_shapes(index: int, shape: tuple[int, ...], message: str) -> None:
    shapes: list[tuple[int, ...]] = list(SHAPES)
    shapes[index] = shape
    with pytest.raises(InputError, match=message):
        ShapeBinder(PLAN).bind(shapes)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"bach": (1, 2)}, "no symbol 'bach', its symbols are: 'batch', 'seq', 'past'"),
        ({"batch": (0, 4)}, "'batch' from 0 to 4 is not inside the plan's profile, 1 to 8"),
        ({"batch": (1, 9)}, "'batch' from 1 to 9 is not inside"),
        ({"seq": (9, 2)}, "'seq' from 9 to 2 is not inside the plan's profile, 1 to unbounded"),
    ],
)
def test_profiles_only_narrow(ranges: dict[str, tuple[int, int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        narrowed(PLAN, ranges)


# Through an engine


@pytest.fixture(scope="module")
def engine():
    with Engine(*reversed_sum(), threads=1) as engine:
        yield engine


def test_strided_inputs_are_copied(engine: Engine) -> None:
    x = np.arange(40, dtype=np.float32)[::-2]
    np.testing.assert_array_equal(engine.run({"x": x})["y"], expected(x))


def test_dlpack_input_without_a_copy(engine: Engine) -> None:
    x = np.arange(9, dtype=np.float32)
    np.testing.assert_array_equal(engine.run({"x": Exporter(x, "f32")})["y"], expected(x))
    assert import_tensor(Exporter(x, "f32")).numpy().ctypes.data == x.ctypes.data


def test_dlpack_knows_what_numpy_does_not() -> None:
    x = np.arange(6).astype(ml_dtypes.bfloat16).reshape(2, 3)
    view = import_tensor(Exporter(x, "bf16"))
    assert view.is_contiguous and view.numpy().dtype == x.dtype
    np.testing.assert_array_equal(view.numpy(), x)


def test_strided_dlpack() -> None:
    x = np.arange(24, dtype=np.int16).reshape(2, 3, 4).transpose(2, 0, 1)
    view = import_tensor(x)
    assert not view.is_contiguous
    np.testing.assert_array_equal(view.numpy(), x)


def test_read_only_dlpack() -> None:
    x = np.arange(3, dtype=np.float32)
    assert import_tensor(x).writable
    x.flags.writeable = False
    assert not import_tensor(x).writable


def test_numpy_takes_our_capsules() -> None:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(np.from_dlpack(Exporter(x, "f32")), x)  # type: ignore[arg-type]


def test_gpu_memory_is_refused_by_a_cpu_plan(engine: Engine) -> None:
    x = FakeTensor(FakeDriver(), np.zeros(4, np.float32))
    with pytest.raises(InputError, match="input 'x' is in GPU memory, and the plan runs on the CPU"):
        engine.run({"x": x})


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"z": np.zeros(4, np.float32)}, "unknown output 'z', the plan's outputs are: 'y'"),
        ({"y": np.zeros(5, np.float32)}, r"output 'y': expected shape \[4\], found \[5\]"),
        ({"y": np.zeros(4, np.float64)}, "output 'y': expected element type f32, found f64"),
        ({"y": np.zeros(8, np.float32)[::2]}, "output 'y': expected a dense, writable, .* found other strides"),
        ({"y": np.broadcast_to(np.float32(0), 1)}, "output 'y': expected a dense, writable, .* found read-only memory"),
    ],
)
def test_wrong_outputs(engine: Engine, output: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        engine.run({"x": np.zeros(4, np.float32)}, output)


def test_an_output_in_the_memory_of_an_input(engine: Engine) -> None:
    memory = np.zeros(8, np.float32)
    with pytest.raises(InputError, match="output 'y' lies in the memory of an input"):
        engine.run({"x": memory[:5]}, {"y": memory[3:]})
