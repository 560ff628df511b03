"""Steps between and around native code on the CPU: fills, copies, sizes known late, branches, loops, host functions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cpu_plans import ADD, KERNELS, REVERSE, compile_object, expected, objects, reversed_sum, weights

from kernelwright.runtime import Engine, PlanError
from kernelwright.runtime.errors import HostFunctionError, SizeError
from kernelwright.runtime.host import host_function
from kernelwright.runtime.plan import (
    Alias,
    Arena,
    Buffer,
    Copy,
    Equality,
    Fill,
    Host,
    If,
    Input,
    Launch,
    Loop,
    Native,
    Output,
    Place,
    Plan,
    Read,
    Step,
    Symbol,
    TensorSpec,
    Weight,
)

AGAIN = Launch("add", ("h", "w", "h"), ("n",), ("n", 1, 1))  # h += w, and each worker has its own part


def run(steps: tuple[Step, ...], n: int, threads: int = 2, **changes) -> np.ndarray:
    plan, tensors = reversed_sum(steps)
    extra = (Buffer("k", 8, Arena("h.end"), "i64", ()), Buffer("one", "4 * n", Arena("k.end")))
    symbols = (*plan.symbols, Symbol("k", origin="step"), Symbol("i", origin="step"))
    plan = dataclasses.replace(plan, buffers=(*plan.buffers, *extra), symbols=symbols, **changes)
    with Engine(plan, tensors, threads=threads) as engine:
        return engine.run({"x": ramp(n)})["y"]


def ramp(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.float32) / 3


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 7, 1025, 50_001])
@pytest.mark.parametrize("dtype", ["i8", "f16", "f32"])
def test_fills(dtype: str, n: int, threads: int) -> None:
    name = {"i8": "int8", "f16": "float16", "f32": "float32"}[dtype]
    y = run((Fill("y", -3, dtype),), n, threads)
    np.testing.assert_array_equal(y.view(name), np.full(4 * n // np.dtype(name).itemsize, -3, name))


@pytest.mark.parametrize("n", [2, 1025, 50_001])
def test_copies_with_offsets(n: int) -> None:
    y = run((Copy("x", "y", "4 * n - 4", 4, 0), Copy("w", "y", 4, 0, "4 * n - 4")), n)
    np.testing.assert_array_equal(y, np.concatenate([ramp(n)[1:], weights(1)]))


@pytest.mark.parametrize(("k", "factor"), [(0, 1), (1, 2), (5, 6)])
def test_a_loop_with_a_trip_count_from_memory(k: int, factor: int) -> None:
    y = run((Fill("k", k, "i64"), Read(("k",), "k"), ADD, Loop((AGAIN,), "k"), REVERSE), 500)
    np.testing.assert_allclose(y, (ramp(500) + factor * weights(500))[::-1], rtol=1e-6, atol=1e-5)


def test_a_loop_that_counts_until_a_condition() -> None:
    body = (AGAIN, Fill("k", "i * i", "i64"), Read(("k",), "k"))
    y = run((Fill("k", 0, "i64"), Read(("k",), "k"), ADD, Loop(body, None, "max(10 - k, 0)", "i"), REVERSE), 100)
    # bodies with i = 0 to 4: k becomes 16 in the fifth
    np.testing.assert_allclose(y, (ramp(100) + 6 * weights(100))[::-1], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("value", "copies"), [(0, False), (1, True)])
def test_branches(value: int, copies: bool) -> None:
    y = run(
        (Fill("k", value, "i32"), Read(("k",), "k", "i32"), If("k", (Copy("x", "y", "4 * n"),), (ADD, REVERSE))), 33
    )
    np.testing.assert_array_equal(y, ramp(33) if copies else expected(ramp(33)))


def test_native_entries_see_sizes_that_steps_computed() -> None:
    """The entry works on symbol 0 elements; symbol 0 is n and stays n when others get values."""
    y = run((Fill("k", 9, "i64"), Read(("k",), "k"), Native("kw_main", (ADD, REVERSE))), 64)
    np.testing.assert_array_equal(y, expected(ramp(64)))


def test_scalars_that_steps_computed() -> None:
    late = dataclasses.replace(ADD, scalars=("min(k, n)",))
    steps = (Fill("h", 0, "f32"), Fill("k", 5, "i64"), Read(("k",), "k"), late, REVERSE)
    y = run(steps, 9)
    np.testing.assert_array_equal(y[::-1], np.concatenate([(ramp(9) + weights(9))[:5], np.zeros(4, np.float32)]))


def test_host_functions_between_launches() -> None:
    @host_function("test.negate")
    def negate(inputs, outputs, attributes):
        assert inputs[0].shape == (77,) and attributes == {"why": "test"}
        np.negative(inputs[0], out=outputs[0])

    y = run((ADD, Host("test.negate", ("h",), ("h",), (), {"why": "test"}), REVERSE), 77)
    np.testing.assert_array_equal(y, -expected(ramp(77)))


def test_host_functions_that_fail() -> None:
    @host_function("test.fails")
    def fails(inputs, outputs, attributes):
        raise ValueError("no such mode")

    @host_function("test.sizes")
    def sizes(inputs, outputs, attributes):
        return [1, 2]

    with pytest.raises(HostFunctionError, match=r"'test.fails' \(of Loop_7\) failed: ValueError: no such mode"):
        run((Host("test.fails", onnx_nodes=("Loop_7",)),), 1)
    with pytest.raises(HostFunctionError, match=r"'test.sizes' returned 2 sizes, its step names 1"):
        run((Host("test.sizes", symbols=("k",)),), 1)
    with pytest.raises(HostFunctionError, match=r"the host function 'test.size', .*\nnote: did you mean 'test.sizes'"):
        run((Host("test.size"),), 1)


def test_an_output_whose_shape_the_steps_compute() -> None:
    @host_function("test.nonzero")
    def nonzero(inputs, outputs, attributes):
        found = np.argwhere(inputs[0])
        outputs[0][: found.size] = found.ravel()
        return (len(found),)

    plan = Plan(
        name="nonzero",
        target=reversed_sum()[0].target,
        precision="fp32",
        inputs=(TensorSpec("x", "f32", ("n", 3)),),
        outputs=(TensorSpec("indices", "i64", ("count", 2)),),
        buffers=(
            Buffer("x", "12 * n", Input(0), "f32", ("n", 3)),
            Buffer("indices", "16 * 3 * n", Output(0), "i64", ("count", 2)),
        ),
        kernels=(),
        steps=(Host("test.nonzero", ("x",), ("indices",), ("count",)),),
        symbols=(Symbol("n"), Symbol("count", origin="step")),
    )
    with Engine(plan, objects(), threads=1) as engine:
        for n in (0, 1, 5, 100):
            x = np.random.default_rng(n).integers(0, 2, (n, 3)).astype(np.float32)
            np.testing.assert_array_equal(engine.run({"x": x})["indices"], np.argwhere(x))


def test_views_of_inputs_outputs_and_weights() -> None:
    """h is the second half of y; the addition reads the second halves of x and w."""
    plan, tensors = reversed_sum((Launch("add", ("x2", "w2", "y2"), ("n // 2",)), Copy("x", "y", "n // 2 * 4")))
    views = tuple(Buffer(f"{name}2", "n // 2 * 4", Alias(name, "n // 2 * 4")) for name in ("x", "w", "y"))
    with Engine(dataclasses.replace(plan, buffers=(*plan.buffers, *views)), tensors, threads=2) as engine:
        y = engine.run({"x": ramp(10)})["y"]
    np.testing.assert_array_equal(y, np.concatenate([ramp(10)[:5], ramp(10)[5:] + weights(10)[5:]]))


def test_arena_offsets_follow_the_shapes() -> None:
    """Three buffers one after the other, and a fourth in the place of the first."""
    plan, tensors = reversed_sum(
        (Launch("add", ("x", "w", "a"), ("n",)), Copy("a", "b", "4 * n"), Copy("b", "c", "4 * n"),
         Fill("d", 0, "f32"), Launch("reverse", ("c", "y"), ("n",)))
    )  # fmt: skip
    arena = (
        Buffer("a", "4 * n", Arena(0)),
        Buffer("b", "4 * n", Arena("a.end")),
        Buffer("c", "4 * n", Arena("max(a.end, b.end)")),
        Buffer("d", "4 * n", Arena(0)),
    )
    plan = dataclasses.replace(plan, buffers=(*plan.buffers[:2], plan.buffers[3], *arena))
    with Engine(plan, tensors, threads=2) as engine, engine.create_context() as context:
        for n in (1, 64, 65, 1000, 3):
            np.testing.assert_array_equal(context.run({"x": ramp(n)})["y"], expected(ramp(n)))
        assert context.arena_bytes == 3 * 4096


def test_scalars_inputs_and_outputs() -> None:
    plan, tensors = reversed_sum((Launch("add", ("x", "w", "y"), (1,)),))
    plan = dataclasses.replace(
        plan,
        inputs=(TensorSpec("x", "f32"),),
        outputs=(TensorSpec("y", "f32"),),
        buffers=(Buffer("x", 4, Input(0)), Buffer("w", 4, Weight("w")), Buffer("y", 4, Output(0))),
        symbols=(),
    )
    with Engine(plan, tensors | {"w": np.array([2.5], np.float32)}) as engine:
        y = engine.run({"x": np.float32(0.5)})["y"]
    assert y.shape == () and y == 3.0


def test_plans_with_the_same_symbols_side_by_side() -> None:
    """Each plan's object exports kernels of the same names; each engine calls its own."""
    other = compile_object("define void @add(ptr %b, ptr %s, i64 %w, i64 %n, ptr %r) { ret void }\n"
                           "define void @reverse(ptr %b, ptr %s, i64 %w, i64 %n, ptr %r) { ret void }\n")  # fmt: skip
    plan, tensors = reversed_sum()
    with Engine(plan, tensors, threads=2) as engine, Engine(plan, tensors | {"object": other}, threads=2) as empty:
        y = np.full(5, 7, np.float32)
        np.testing.assert_array_equal(empty.run({"x": ramp(5)}, {"y": y})["y"], np.full(5, 7))
        np.testing.assert_array_equal(engine.run({"x": ramp(5)})["y"], expected(ramp(5)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": (Launch("mul"),)}, "launch of 'mul': no such kernel"),
        ({"steps": (Launch("add", ("q",)),)}, "launch of 'add': no buffer 'q'"),
        (
            {"steps": (Launch("add", (), ("m + 1",)),)},
            r"launch of 'add': 'm \+ 1' mentions 'm', which is not",
        ),
        ({"steps": (If("n", (Copy("x", "q", 1),)),)}, "copy: no buffer 'q'"),
        ({"steps": (Fill("y", 0, "f33"),)}, "unknown element type 'f33'"),
        ({"outputs": ()}, "buffer 'y': no output 0"),
        ({"buffers": ()}, "output 'y' has no buffer"),
        ({"symbols": ()}, "input 'x': 'n' mentions 'n', which is not known there"),
        ({"symbols": (Symbol("n"), Symbol("m"))}, "no input has a dimension that is 'm' alone"),
        ({"objects": ("code",)}, "no tensor 'code' with its code"),
    ],
)
def test_plans_that_contradict_themselves(change: dict[str, object], message: str) -> None:
    plan, tensors = reversed_sum()
    with pytest.raises(PlanError, match=message):
        Engine(dataclasses.replace(plan, **change), tensors)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        (Buffer("v", 16, Weight("v")), "buffer 'v': no tensor 'v'"),
        (Buffer("v", 1 << 20, Weight("w")), "buffer 'v': 1048576 bytes, 'w' has 400000"),
        (Buffer("x", 16, Arena()), "two buffers are called 'x'"),
        (Buffer("v", 16, Alias("z")), "buffer 'v': 'z' is not an earlier buffer"),
        (Buffer("v", 16, Arena("y.end")), "buffer 'v': 'y.end' mentions 'y.end', which is not known there"),
    ],
)
def test_buffers_that_contradict_the_plan(buffer: Buffer, message: str) -> None:
    plan, tensors = reversed_sum()
    with pytest.raises(PlanError, match=message):
        Engine(dataclasses.replace(plan, buffers=(*plan.buffers, buffer)), tensors)


def test_an_entry_that_is_not_in_the_object() -> None:
    with pytest.raises(PlanError, match="the plan's object has no function 'missing'"):
        run((Native("missing"),), 4)


def test_an_object_that_is_none() -> None:
    plan, tensors = reversed_sum()
    for content in (b"not ELF", tensors["object"].tobytes()[:500]):
        engine = Engine(plan, tensors | {"object": np.frombuffer(content, np.uint8)})
        with pytest.raises(PlanError, match="the plan's object cannot be linked"):
            engine.run({"x": ramp(3)})


def test_an_object_that_calls_what_is_not_there() -> None:
    plan, tensors = reversed_sum()
    source = KERNELS.replace("define void @nothing", "declare void @missing()\ndefine void @nothing").replace(
        "  ret void\n}\n\n; An entry", "  call void @missing()\n  ret void\n}\n\n; An entry"
    )
    with pytest.raises(PlanError, match="the plan's object cannot be linked"):
        Engine(plan, tensors | {"object": compile_object(source)}).run({"x": ramp(3)})


def late_plan(**changes) -> Plan:
    """y = the first k elements of x + w reversed, k being read from the input and y as long as that."""
    plan, _ = reversed_sum()
    late = {"segment": 1}
    return dataclasses.replace(
        plan,
        inputs=(*plan.inputs, TensorSpec("count", "i64", (1,))),
        outputs=(TensorSpec("y", "f32", ("k",)), TensorSpec("z", "f32", ("k", 1))),
        buffers=(
            Buffer("x", "4 * n", Input(0), "f32", ("n",)),
            Buffer("w", "4 * n", Weight("w"), "f32", ("n",)),
            Buffer("count", 8, Input(1), "i64", (1,)),
            Buffer("h", "4 * k", Arena(), "f32", ("k",), **late),
            Buffer("more", "4 * k", Arena("h.end"), "f32", ("k",), **late),
            Buffer("y", "4 * k", Output(0), "f32", ("k",), **late),
            Buffer("z", "4 * k", Output(1), "f32", ("k", 1), **late),
            Buffer("same", "4 * k", Alias("more"), "f32", ("k", 1), **late),
        ),
        steps=(
            Read(("k",), "count"),
            Place(1),
            Launch("add", ("x", "w", "h"), ("k",), ("k", 1, 1)),
            Launch("reverse", ("h", "more"), ("k",), ("k", 1, 1)),
            Copy("same", "y", "4 * k"),
            Copy("h", "z", "4 * k"),
        ),
        symbols=(*plan.symbols, Symbol("k", origin="step")),
        **changes,
    )


def late_engine(plan: Plan) -> Engine:
    return Engine(plan, reversed_sum()[1], threads=2)


def test_buffers_and_outputs_whose_size_is_read() -> None:
    with late_engine(late_plan()) as engine:
        for k in (3, 1000, 0, 1, 999, 3):
            found = engine.run({"x": ramp(1000), "count": np.array([k])})
            total = (ramp(1000) + weights(1000))[:k]
            np.testing.assert_array_equal(found["y"], total[::-1])
            np.testing.assert_array_equal(found["z"], total[:, None])


def test_outputs_of_earlier_runs_stay() -> None:
    with late_engine(late_plan()) as engine:
        first = engine.run({"x": ramp(9), "count": np.array([9])})["y"]
        engine.run({"x": -ramp(9), "count": np.array([9])})
        np.testing.assert_array_equal(first, expected(ramp(9)))


def test_sizes_that_cannot_be() -> None:
    with late_engine(late_plan(equalities=(Equality("k", "n", ("Add_1",)),))) as engine:
        assert engine.run({"x": ramp(4), "count": np.array([4])})["y"].shape == (4,)
        with pytest.raises(SizeError, match="'Add_1' needs 'k' = 3 and 'n' = 4 to be equal"):
            engine.run({"x": ramp(4), "count": np.array([3])})
        with pytest.raises(SizeError, match=r"the model computed the size -2 \('k'\)"):
            engine.run({"x": ramp(4), "count": np.array([-2])})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": (Read((), "count"),)}, "read of 'count': it gives no symbol a value"),
        ({"steps": (Read(("n",), "count"),)}, "'n' is no symbol that steps give a value"),
        ({"steps": (Read(("k",), "missing"),)}, "read: no buffer 'missing'"),
        ({"steps": (Place(1), Read(("k",), "count"))}, "place of segment 1: '4 \\* k' mentions 'k'"),
        ({"steps": (Read(("k",), "count"), Place(2))}, "place: there is no later segment 2"),
        ({"steps": (Read(("k",), "count"), Place(0))}, "place: there is no later segment 0"),
        ({"steps": (Read(("k",), "count"),)}, "buffer 'h': no step places segment 1"),
        ({"steps": (Read(("k",), "count"), Copy("h", "y", 4))}, "buffer 'h' has no place yet, which segment 1 gives"),
        ({"steps": (Copy("x", "w", "4 * k"),)}, "'4 \\* k' mentions 'k', which is not known there"),
    ],
)
def test_corrupt_steps(change: dict[str, tuple[Step, ...]], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        late_engine(dataclasses.replace(late_plan(), **change))


def test_an_alias_of_a_later_segment() -> None:
    plan = late_plan()
    buffers = tuple(dataclasses.replace(b, segment=0, bytes=4) if b.name == "same" else b for b in plan.buffers)
    with pytest.raises(PlanError, match="buffer 'same': 'more' is of a later segment"):
        late_engine(dataclasses.replace(plan, buffers=buffers))
