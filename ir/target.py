"""Targets are data: what hardware-aware passes know of a machine, read from a JSON file and carried by the module.

The module's attribute `kw.target` holds the whole description, so a dump replays without any flag. Passes read
`Target.of(module)` and nothing else about hardware.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from .attributes import ArrayAttr, Attribute, BoolAttr, DictAttr, FloatAttr, IntegerAttr, StringAttr
from .core import Operation
from .diagnostics import CompileError, Diagnostic, suggest

ATTRIBUTE = "kw.target"
CPU_LEVELS = "kw.cpu_levels"
"""The attribute of a module that names further CPU targets to compile code for."""
FOLDER = Path(__file__).parent / "targets"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What all targets have. `name` is what a user calls it, `arch` the LLVM triple or the `sm_` architecture."""

    kind: ClassVar[str]
    name: str
    arch: str
    bandwidth: float
    """Bytes a second to and from main memory."""

    @staticmethod
    def of(module: Operation) -> CpuTarget | CudaTarget:
        """The target of a module. Raises CompileError where it carries none."""
        attribute = module.attributes.get(ATTRIBUTE)
        if not isinstance(attribute, DictAttr):
            message = f"the module has no target: it needs the attribute {ATTRIBUTE}"
            raise CompileError(Diagnostic(message, module.location, notes=("give one with --target",)))
        return from_dict(_to_python(attribute), ATTRIBUTE)

    @staticmethod
    def has(module: Operation) -> bool:
        return ATTRIBUTE in module.attributes

    def attach(self, module: Operation) -> None:
        """Make this the target of `module`."""
        module.attributes[ATTRIBUTE] = _to_attribute(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **dataclasses.asdict(self)}


BF16_DOTS = frozenset({"avx512bf16", "bf16"})
"""LLVM's names of the features with dot products of bf16, on x86 and Arm."""


@dataclass(frozen=True, kw_only=True)
class CpuTarget(Target):
    """A CPU. Caches in bytes: L1 data and L2 of one core, L3 of all. `vector_bits` is the widest FMA vector."""

    kind: ClassVar[str] = "cpu"
    cpu: str
    """LLVM's name of the processor."""
    features: tuple[str, ...]
    """LLVM's names of the instruction sets that code may use."""
    cores: int
    vector_bits: int
    vector_registers: int
    fma_units: int
    frequency: float
    """Sustained clock under vector load, in hertz."""
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int

    def lanes(self, bits: int = 32) -> int:
        """Elements of `bits` bits in one vector register."""
        return self.vector_bits // bits

    @property
    def has_bf16_dots(self) -> bool:
        """Whether an instruction adds products of pairs of bf16 to f32."""
        return not BF16_DOTS.isdisjoint(self.features)

    @property
    def flops(self) -> float:
        """Peak fp32 operations a second of all cores: a fused multiply-add is two."""
        return self.cores * self.fma_units * self.lanes(32) * 2 * self.frequency


@dataclass(frozen=True, kw_only=True)
class CudaTarget(Target):
    """An NVIDIA GPU. Shared memory and caches in bytes, registers in 32-bit words, rates in operations a second."""

    kind: ClassVar[str] = "cuda"
    compute_capability: int
    """Major and minor version as one number: 90 for sm_90a."""
    multiprocessors: int
    shared_bytes_per_block: int
    shared_bytes_per_multiprocessor: int
    registers_per_multiprocessor: int
    registers_per_thread: int
    threads_per_block: int
    threads_per_multiprocessor: int
    l2_bytes: int
    fp32_flops: float
    matrix_flops: Mapping[str, float]
    """Peak dense rate of the matrix units by input type: `f16`, `bf16`, `tf32`, `i8`, `f8`."""
    mma: tuple[str, ...]
    """The warp and warpgroup matrix instructions: `mma.m16n8k16.f16`, `wgmma`, …"""
    async_copy: tuple[str, ...]
    """`cp.async`, `tma`: the asynchronous copies from global to shared memory."""

    @property
    def warp(self) -> int:
        return 32


_KINDS: dict[str, type[CpuTarget | CudaTarget]] = {"cpu": CpuTarget, "cuda": CudaTarget}


def names() -> list[str]:
    """The targets described in the package, as `--target` takes them."""
    return sorted(_public_name(file.stem) for file in FOLDER.glob("*.json"))


def builtin(name: str) -> CpuTarget | CudaTarget:
    """The packaged target of that name. Raises CompileError, with the nearest name, where there is none."""
    file = FOLDER / f"{name.replace(':', '-')}.json"
    if name not in names():
        known = ", ".join(names())
        raise CompileError(
            Diagnostic(
                f"no target is called '{name}'{suggest(name, names())}", notes=(f"known: {known}; or a .json file",)
            )
        )
    return from_file(file)


def from_file(path: Path) -> CpuTarget | CudaTarget:
    """A target described in a JSON file. Raises CompileError for what is not one."""
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise CompileError(f"cannot read the target {path}: {error.strerror}") from None
    except ValueError as error:
        raise CompileError(f"{path} is not a target: {error}") from None
    return from_dict(data, str(path))


def from_dict(data: Mapping[str, Any], where: str) -> CpuTarget | CudaTarget:
    """A target from its JSON form; `where` is named in errors. Raises CompileError."""
    cls = _KINDS.get(data.get("kind", ""))
    if cls is None:
        raise CompileError(f"{where}: 'kind' must be cpu or cuda, found {data.get('kind')!r}")
    fields = typing.get_type_hints(cls)
    wanted = {field.name for field in dataclasses.fields(cls)}
    given = {key for key in data if key not in ("kind", "comment")}
    if unknown := sorted(given - wanted):
        raise CompileError(f"{where}: a {cls.kind} target has no field '{unknown[0]}'{suggest(unknown[0], wanted)}")
    if missing := sorted(wanted - given):
        raise CompileError(f"{where}: a {cls.kind} target needs the field '{missing[0]}'")
    return cls(**{name: _typed(data[name], fields[name], f"{where}: field '{name}'") for name in wanted})


def _typed(value: Any, hint: Any, where: str) -> Any:
    origin = typing.get_origin(hint) or hint
    if origin is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if origin is tuple and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if origin is Mapping and isinstance(value, Mapping):
        return FrozenDict({str(key): float(number) for key, number in value.items()})
    if origin in (int, str) and isinstance(value, origin) and not isinstance(value, bool):
        return value
    kinds: dict[Any, str] = {int: "an integer", float: "a number", str: "a string", tuple: "a list of strings"}
    raise CompileError(f"{where} must be {kinds.get(origin, 'an object of numbers')}, found {value!r}")


class FrozenDict(dict[str, float]):
    """A dictionary that a frozen dataclass may hold: it hashes by its items and is never changed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def _to_attribute(value: Any) -> Attribute:
    if isinstance(value, Mapping):
        return DictAttr.of({key: _to_attribute(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return ArrayAttr(tuple(map(_to_attribute, value)))
    if isinstance(value, bool):
        return BoolAttr(value)
    if isinstance(value, int):
        return IntegerAttr(value)
    return FloatAttr(value) if isinstance(value, float) else StringAttr(str(value))


def _to_python(attribute: Attribute) -> Any:
    if isinstance(attribute, DictAttr):
        return {key: _to_python(item) for key, item in attribute.items}
    if isinstance(attribute, ArrayAttr):
        return [_to_python(item) for item in attribute.values]
    if isinstance(attribute, (IntegerAttr, FloatAttr, StringAttr, BoolAttr)):
        return attribute.value
    raise CompileError(f"{ATTRIBUTE} cannot hold {attribute}")


def _public_name(stem: str) -> str:
    return stem.replace("cuda-", "cuda:", 1)
