"""Native code of a CPU plan, and the threads that run it.

The objects of a plan hold its kernels and the worker pool they run on (docs/plan.md, "CPU ABI"). Loading it is linking
only. The worker threads are Python threads that make one foreign call for their whole life: they hold no lock of the
interpreter, spin for a moment after a run and then sleep in the kernel.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import threading
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DeviceError, PlanError, PlanTargetError
from .plan import Plan

SPINS = 4_000
"""Turns an idle worker waits before it sleeps: about a millisecond, so that back-to-back runs find it awake."""

_FUTEX = {"x86_64": 202, "aarch64": 98}  # the number of the system call
_POOL = ("kw_pool_bytes", "kw_pool_init", "kw_worker", "kw_run", "kw_stop", "kw_program", "kw_copy", "kw_fill")
_RUN = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)


class Library:
    """The linked objects of a CPU plan."""

    def __init__(self, objects: Iterable[bytes], functions: Iterable[str] = ()) -> None:
        """Makes `functions`, and those of the pool, callable.

        Raises PlanError where the objects lack one of them or cannot be linked on this machine.
        """
        llvm = _llvm()
        linker = llvm.JITLibraryBuilder()
        for name in {*functions, *_POOL}:
            linker.export_symbol(name)
        for content in objects:
            linker.add_object_img(content)
        try:
            # JITLink puts all sections into one block, within reach of each other's relative addresses
            self._jit = llvm.create_lljit_compiler(use_jit_link=True, suppress_errors=True)
            self._code = linker.add_current_process().link(self._jit, "plan")
        except RuntimeError as error:
            missing = re.match(r"Symbols not found: \[ (.*) \]", str(error))
            if missing:
                raise PlanError(f"the plan's object has no function '{missing[1]}'") from None
            raise PlanError(f"the plan's object cannot be linked: {str(error).strip()}") from None

    def address(self, name: str) -> int:
        """Address of a function that was named when the library was linked."""
        return self._code[name]


def fitting_objects(plan: Plan) -> tuple[str, ...]:
    """The tensors with code that this processor can run: that for the plan's target, else of one of its levels.

    Raises PlanTargetError where it has not everything that any of them uses.
    """
    llvm, target = _llvm(), plan.target
    machine, wanted = llvm.get_process_triple().split("-")[0], target.arch.split("-")[0]
    if wanted and wanted != machine:
        raise PlanTargetError(f"the plan is for {wanted} processors ('{target.name}'), this machine is {machine}")
    present = {feature for feature, enabled in llvm.get_host_cpu_features().items() if enabled}
    choices = [(target.name, target.features, plan.objects)]
    choices += [(level.name, level.features, level.objects) for level in plan.levels]
    lacking: list[str] = []
    for name, features, objects in choices:
        missing = [feature for feature in features if feature.lstrip("+") not in present]
        if not missing:
            return objects
        lacking.append(f"{', '.join(missing)}" + (f" (for its level '{name}')" if lacking else ""))
    raise PlanTargetError(
        f"the plan is for '{target.name}', and this processor ({llvm.get_host_cpu_name()}) lacks: {'; '.join(lacking)}",
        "compile the model on this machine, or with --cpu-levels that it has",
    )


def physical_cores() -> list[int]:
    """One processor number for each physical core this process may use, within its cgroup's share of time."""
    cores: dict[str, int] = {}
    for processor in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        try:
            cores.setdefault(siblings.read_text(), processor)
        except OSError:  # no topology in this container
            cores.setdefault(str(processor), processor)
    return list(cores.values())[: _cgroup_processors()]


class Pool:
    """Worker threads of one engine or context. Runs take turns."""

    def __init__(self, library: Library, threads: int, affinity: Sequence[int] | None = None) -> None:
        """`threads` counts the caller of run(). With `affinity`, thread i stays on processor affinity[i % len]."""
        if platform.system() != "Linux" or platform.machine() not in _FUTEX:
            raise DeviceError(f"CPU plans run on Linux on x86-64 and AArch64, not on {platform.platform()}")
        if threads < 1:
            raise DeviceError(f"threads: expected at least 1, found {threads}")
        allowed = os.sched_getaffinity(0)
        if foreign := sorted(set(affinity or ()) - allowed):
            raise DeviceError(
                f"affinity: this process may not use processor {foreign[0]}, it may use {sorted(allowed)}"
            )
        self.threads = threads
        self._library = library
        self._affinity = list(affinity or ())
        self._run = _RUN(library.address("kw_run"))
        size = ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("kw_pool_bytes"))()
        self._memory = np.zeros(size + 64, np.uint8)
        self._address = -(-self._memory.ctypes.data // 64) * 64
        self._lock = threading.Lock()
        self._workers: list[threading.Thread] = []
        self._started = False
        self._stop = lambda: None
        _pools.add(self)

    def run(self, function: int, buffers: int, symbols: int, workers: int) -> None:
        """Call the native `function(buffers, symbols, worker, workers, barrier)` on the first `workers` threads.

        The first three are addresses. `workers` is at most `threads`.
        """
        with self._lock:
            if not self._started:
                self._start()
            self._run(self._address, function, buffers, symbols, workers)

    def close(self) -> None:
        """End the worker threads; a later run() starts new ones."""
        with self._lock:
            self._stop()
            self._started = False

    def _start(self) -> None:
        self._memory[:] = 0
        init = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        init(self._library.address("kw_pool_init"))(self._address, self.threads, SPINS, _FUTEX[platform.machine()])
        enter = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self._library.address("kw_worker"))
        leave = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._library.address("kw_stop"))
        self._workers = [
            threading.Thread(
                target=_work,
                args=(enter, self._address, worker, self._processor(worker)),
                name=f"kernelwright-{worker}",
                daemon=True,
            )
            for worker in range(1, self.threads)
        ]
        try:
            for worker in self._workers:
                worker.start()
        except RuntimeError as error:
            _stop(leave, self._address, [worker for worker in self._workers if worker.is_alive()], os.getpid())
            raise DeviceError(f"cannot start {self.threads} threads: {error}", "use fewer (threads=…)") from None
        # Called when the pool is collected and, before the interpreter takes itself apart, at exit.
        # It holds on to the memory and the code that the threads use.
        self._stop = weakref.finalize(
            self, _stop, leave, self._address, self._workers, os.getpid(), self._memory, self._library
        )
        self._started = True

    def _processor(self, worker: int) -> int | None:
        return self._affinity[worker % len(self._affinity)] if self._affinity else None

    def forget(self) -> None:
        """Begin anew in the child of a fork: the threads are gone, and whoever held the lock with them."""
        self._lock = threading.Lock()
        self._started = False


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool.forget()


os.register_at_fork(after_in_child=_after_fork)


def _work(enter: Any, pool: int, worker: int, processor: int | None) -> None:
    if processor is not None:
        os.sched_setaffinity(0, {processor})  # of this thread alone
    enter(pool, worker)


def _stop(leave: Any, pool: int, workers: list[threading.Thread], process: int, *kept: object) -> None:
    if os.getpid() != process:
        return  # a fork: there is nobody to stop
    leave(pool)
    for worker in workers:
        worker.join()


def _cgroup_processors() -> int | None:
    """Whole processors of the cgroup's quota, None where there is no quota."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))


def _llvm() -> Any:
    """llvmlite's binding, imported when the first CPU plan is loaded."""
    try:
        import llvmlite.binding as llvm  # noqa: PLC0415, it takes as long as all the rest
    except ImportError as error:
        raise DeviceError(
            f"CPU plans need llvmlite, which cannot be imported: {error}", "pip install llvmlite"
        ) from None

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm
