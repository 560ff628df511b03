"""Small CPU plans whose kernels are LLVM IR written here, for the tests of the runtime."""

from __future__ import annotations

import functools

import llvmlite.binding as llvm
import numpy as np

from kernelwright.codegen.cpu.pool import pool_source
from kernelwright.runtime.plan import (
    Arena,
    Buffer,
    Input,
    Kernel,
    Launch,
    Output,
    Plan,
    Step,
    Symbol,
    Target,
    TensorSpec,
    Weight,
)

# Kernels on float arrays; a worker's share goes from count * worker / workers to count * (worker + 1) / workers.
KERNELS = """
declare void @kw_barrier(ptr, i64)

define internal { i64, i64 } @part(i64 %count, i64 %worker, i64 %workers) {
  %a = mul i64 %count, %worker
  %first = udiv i64 %a, %workers
  %next = add i64 %worker, 1
  %b = mul i64 %count, %next
  %last = udiv i64 %b, %workers
  %r0 = insertvalue { i64, i64 } poison, i64 %first, 0
  %r1 = insertvalue { i64, i64 } %r0, i64 %last, 1
  ret { i64, i64 } %r1
}

; c[i] = a[i] + b[i], i < scalars[0]
define void @add(ptr %buffers, ptr %scalars, i64 %worker, i64 %workers, ptr %barrier) {
entry:
  %a = load ptr, ptr %buffers
  %b.at = getelementptr ptr, ptr %buffers, i64 1
  %b = load ptr, ptr %b.at
  %c.at = getelementptr ptr, ptr %buffers, i64 2
  %c = load ptr, ptr %c.at
  %count = load i64, ptr %scalars
  %part = call { i64, i64 } @part(i64 %count, i64 %worker, i64 %workers)
  %first = extractvalue { i64, i64 } %part, 0
  %last = extractvalue { i64, i64 } %part, 1
  br label %next
next:
  %i = phi i64 [ %first, %entry ], [ %i.next, %body ]
  %more = icmp ult i64 %i, %last
  br i1 %more, label %body, label %done
body:
  %ai = getelementptr float, ptr %a, i64 %i
  %bi = getelementptr float, ptr %b, i64 %i
  %ci = getelementptr float, ptr %c, i64 %i
  %x = load float, ptr %ai
  %y = load float, ptr %bi
  %z = fadd float %x, %y
  store float %z, ptr %ci
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

; b[i] = a[count - 1 - i]: reads what other workers wrote, so it is wrong without a barrier before it
define void @reverse(ptr %buffers, ptr %scalars, i64 %worker, i64 %workers, ptr %barrier) {
entry:
  %a = load ptr, ptr %buffers
  %b.at = getelementptr ptr, ptr %buffers, i64 1
  %b = load ptr, ptr %b.at
  %count = load i64, ptr %scalars
  %part = call { i64, i64 } @part(i64 %count, i64 %worker, i64 %workers)
  %first = extractvalue { i64, i64 } %part, 0
  %last = extractvalue { i64, i64 } %part, 1
  br label %next
next:
  %i = phi i64 [ %first, %entry ], [ %i.next, %body ]
  %more = icmp ult i64 %i, %last
  br i1 %more, label %body, label %done
body:
  %from = sub i64 %count, %i
  %from1 = sub i64 %from, 1
  %ai = getelementptr float, ptr %a, i64 %from1
  %bi = getelementptr float, ptr %b, i64 %i
  %x = load float, ptr %ai
  store float %x, ptr %bi
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

; An entry of a plan with buffers x, w, h, y and symbol n: h = x + w, y = reverse(h)
define void @kw_main(ptr %buffers, ptr %symbols, i64 %worker, i64 %workers, ptr %barrier) {
  call void @add(ptr %buffers, ptr %symbols, i64 %worker, i64 %workers, ptr %barrier)
  call void @kw_barrier(ptr %barrier, i64 %workers)
  %h.y = getelementptr ptr, ptr %buffers, i64 2
  call void @reverse(ptr %h.y, ptr %symbols, i64 %worker, i64 %workers, ptr %barrier)
  ret void
}

; the number of workers, where there is room for it
define void @count(ptr %buffers, ptr %scalars, i64 %worker, i64 %workers, ptr %barrier) {
  %y = load ptr, ptr %buffers
  %count = uitofp i64 %workers to float
  %first = icmp eq i64 %worker, 0
  br i1 %first, label %note, label %done
note:
  store float %count, ptr %y
  br label %done
done:
  ret void
}

define void @nothing(ptr %buffers, ptr %symbols, i64 %worker, i64 %workers, ptr %barrier) {
  ret void
}
"""


@functools.cache
def compile_object(source: str = KERNELS) -> np.ndarray:
    """Object of `source`, as the u8 tensor of a plan."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=llvm.get_host_cpu_name(), opt=2, reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(source)
    module.verify()
    return np.frombuffer(machine.emit_object(module), np.uint8)


def objects(source: str = KERNELS) -> dict[str, np.ndarray]:
    """The tensors of a plan with code of its own and the worker pool's."""
    return {"object": compile_object(source), "pool": compile_object(pool_source(llvm.get_process_triple()))}


ADD = Launch("add", ("x", "w", "h"), ("n",), ("n", 1, 1))
REVERSE = Launch("reverse", ("h", "y"), ("n",), ("n", 1, 1))


def reversed_sum(
    steps: tuple[Step, ...] = (ADD, REVERSE), most: int | None = 100_000
) -> tuple[Plan, dict[str, np.ndarray]]:
    """y[i] = x[n - 1 - i] + w[n - 1 - i] for n up to `most`, with one buffer in the arena."""
    plan = Plan(
        name="reversed_sum",
        target=Target("cpu", "cpu", llvm.get_process_triple()),
        precision="fp32",
        inputs=(TensorSpec("x", "f32", ("n",)),),
        outputs=(TensorSpec("y", "f32", ("n",)),),
        buffers=(
            Buffer("x", "4 * n", Input(0), "f32", ("n",)),
            Buffer("w", "4 * n", Weight("w"), "f32", ("n",)),
            Buffer("h", "4 * n", Arena(0), "f32", ("n",)),
            Buffer("y", "4 * n", Output(0), "f32", ("n",)),
        ),
        kernels=(Kernel("add", "add", onnx_nodes=("Add_0",)), Kernel("reverse", "reverse", onnx_nodes=("Reverse_1",))),
        steps=steps,
        symbols=(Symbol("n", 0, 16, most),),
    )
    return plan, objects() | {"w": weights(100_000)}


def weights(count: int) -> np.ndarray:
    return np.sin(np.arange(count, dtype=np.float32))


def expected(x: np.ndarray) -> np.ndarray:
    return (x + weights(x.size))[::-1]
