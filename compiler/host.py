"""The machine the compiler runs on as a target, and `--target` by name, file or detection."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm

from ..ir import target as targets
from ..ir.target import CpuTarget, Target

_SYSTEM = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def resolve(name: str) -> Target:
    """The target a user means: `cpu` (this machine), a packaged name, or a JSON file. Raises CompileError."""
    if name == "cpu":
        return host()
    if name.endswith(".json"):
        return targets.from_file(Path(name))
    return targets.builtin(name)


def host() -> CpuTarget:
    """This machine's CPU: instruction sets from LLVM, cores and caches from the system."""
    features = sorted(name for name, enabled in llvm.get_host_cpu_features().items() if enabled)
    base = targets.builtin(_nearest(features))
    assert isinstance(base, CpuTarget)
    return replace(
        base,
        name="cpu",
        arch=llvm.get_process_triple(),
        cpu=llvm.get_host_cpu_name(),
        features=tuple(features),
        cores=_cores(),
        l1_bytes=_cache(1) or base.l1_bytes,
        l2_bytes=_cache(2) or base.l2_bytes,
        l3_bytes=_cache(3) or base.l3_bytes,
    )


def default_levels(target: Target, precision: str) -> tuple[str, ...]:
    """The CPU levels that a plan file holds by default below its target's: AVX2, which nearly every server has.

    In bf16 there is AVX-512 with dot products of bf16 too, where the target has them.
    """
    if not isinstance(target, CpuTarget):
        return ()
    levels = [targets.builtin(name) for name in (*(["cpu-avx512-bf16"] if precision == "bf16" else []), "cpu-avx2")]
    return tuple(level.name for level in levels if isinstance(level, CpuTarget) and _is_below(level, target))


def _is_below(level: CpuTarget, target: CpuTarget) -> bool:
    """Whether processors like `target` have all that `level` needs, and more."""
    same = level.arch.split("-")[0] == target.arch.split("-")[0]
    return same and set(level.features) < set(target.features)


def _nearest(features: list[str]) -> str:
    """The packaged target whose vectors and registers this machine has."""
    if platform.machine() in ("aarch64", "arm64"):
        return "cpu-neon"
    return "cpu-avx512" if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= set(features) else "cpu-avx2"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cache(level: int) -> int | None:
    """Bytes of the data or unified cache of a level, None where the system does not say."""
    for index in sorted(_SYSTEM.glob("index*")):
        try:
            found, kind = (index / "level").read_text().strip(), (index / "type").read_text().strip()
            size = (index / "size").read_text().strip()
        except OSError:
            continue
        if found == str(level) and kind in ("Data", "Unified") and size[-1:] in _UNITS:
            return int(size[:-1]) * _UNITS[size[-1]]
    return None
