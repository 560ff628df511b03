"""Writing one LLVM function as text: lines, fresh names, blocks, and the types of lanes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...ir.types import Scalar

_SCALARS = {"f64": "double", "f32": "float", "f16": "half", "index": "i64"}
_FLOAT_BITS = {"float": "f32", "double": "f64", "half": "f16"}


def scalar_type(dtype: Scalar) -> str:
    """The LLVM type of a value of `dtype`: unsigned integers are `iN`, sub-byte ones but `i1` take a byte.

    bf16 and 8-bit floats are their bits: LLVM would call a library for them where the processor has no instructions.
    """
    if dtype.name in _SCALARS:
        return _SCALARS[dtype.name]
    return "i1" if dtype.is_bool else f"i{dtype.bytes * 8}"


def memory_type(dtype: Scalar) -> str:
    """The LLVM type of an element in a buffer; a boolean is a byte there."""
    return "i8" if dtype.is_bool else scalar_type(dtype)


def float_constant(value: float, element: str) -> str:
    """`value`, rounded to the type `element`, as a constant; in hexadecimal unless short decimals are exact."""
    if element == "float":
        with_range = min(max(value, -3.5e38), 3.5e38) if value == value and abs(value) != float("inf") else value
        try:
            value = struct.unpack("f", struct.pack("f", with_range))[0]
        except OverflowError:
            value = float("inf") if value > 0 else float("-inf")
    short = f"{value:.8g}"
    if abs(value) < 1e6 and float(short) == value and value * 256 == int(value * 256) and str(value) != "-0.0":
        return short if "." in short else f"{short}.0"
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


@dataclass(frozen=True)
class Lanes:
    """The type of an LLVM value: `count` lanes of `element` (an LLVM scalar type); None lanes is a scalar."""

    element: str
    count: int | None = None

    def __str__(self) -> str:
        return self.element if self.count is None else f"<{self.count} x {self.element}>"

    @property
    def suffix(self) -> str:
        """The name of the type in the names of intrinsics: `v64f32`."""
        element = _FLOAT_BITS.get(self.element, self.element)
        return element if self.count is None else f"v{self.count}{element}"

    @property
    def is_float(self) -> bool:
        return self.element in _FLOAT_BITS

    @property
    def width(self) -> int:
        """Bits of a lane."""
        return int(_FLOAT_BITS[self.element].lstrip("f")) if self.is_float else int(self.element[1:])

    def of(self, element: str) -> Lanes:
        """As many lanes of another element type."""
        return Lanes(element, self.count)

    def constant(self, value: float) -> str:
        """A number in every lane."""
        text = float_constant(value, self.element) if self.is_float else str(int(value))
        if self.element == "i1":
            text = "true" if value else "false"
        return text if self.count is None else f"splat ({self.element} {text})"


@dataclass
class Builder:
    """The body of one function under construction.

    Values and blocks get the name that is asked for, with a number where it is taken. `declarations` collects the
    intrinsics and library functions that are called, `functions` those that the module has for its processor.
    """

    lines: list[str] = field(default_factory=list)
    declarations: set[str] = field(default_factory=set)
    functions: set[tuple[str, Lanes]] = field(default_factory=set)
    block: str = "entry"
    _taken: dict[str, int] = field(default_factory=dict)

    def fresh(self, hint: str) -> str:
        """A name that nothing else in the function has, without its `%`."""
        hint = "".join(c if c.isalnum() or c in "._" else "_" for c in hint) or "v"
        if hint[0].isdigit():
            hint = f"v{hint}"
        count = self._taken.get(hint, 0)
        self._taken[hint] = count + 1
        return hint if count == 0 else self.fresh(f"{hint}.{count}")

    def define(self, hint: str, text: str) -> str:
        """`%hint = text`; gives the name."""
        name = f"%{self.fresh(hint)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def comment(self, text: str) -> None:
        self.lines.append("  ; " + text.replace("\n", " "))

    def start(self, label: str) -> None:
        """Open the block `label`."""
        self.lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        self.do(f"br label %{label}")

    def branch(self, condition: str, then: str, otherwise: str) -> None:
        self.do(f"br i1 {condition}, label %{then}, label %{otherwise}")

    def hole(self) -> int:
        """Room for a line that is written later by `fill`: a phi whose incoming values come after it."""
        self.lines.append("")
        return len(self.lines) - 1

    def fill(self, hole: int, text: str) -> None:
        self.lines[hole] = f"  {text}"

    def call(self, hint: str, result: Lanes, function: str, arguments: Sequence[tuple[Lanes | str, str]]) -> str:
        """Call an outside function or intrinsic, which is declared."""
        types = ", ".join(str(type) for type, _ in arguments)
        self.declarations.add(f"declare {result} @{function}({types})")
        values = ", ".join(f"{type} {value}" for type, value in arguments)
        return self.define(hint, f"call {result} @{function}({values})")

    def intrinsic(self, name: str, type: Lanes, *values: str, hint: str = "") -> str:
        """`llvm.NAME` on values of one type."""
        return self.call(hint or name, type, f"llvm.{name}.{type.suffix}", [(type, value) for value in values])
