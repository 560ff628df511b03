"""The op reference, a page of Markdown made from the declarations: `python -m kernelwright.ir.reference`."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable

from . import dialects
from .declare import REGISTRY, AttributeField, Op

_HEADER = """\
# The ops

Made from the declarations in `ir/dialects` by `make docs`; [ir.md](ir.md) describes the text they are written in.

"""
_EXAMPLE = re.compile(r"^Example:[ \t]*(.*(?:\n(?:[ \t]+.*|[ \t]*)$)*)", re.MULTILINE)


def op_reference() -> str:
    """The page: every declared op of every dialect, by name."""
    dialects.load_all()
    names = sorted(name for name, cls in REGISTRY.items() if cls.__module__.startswith(f"{dialects.__name__}."))
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0], []).append(name)
    parts = [_HEADER, *(f"- [{dialect}](#{dialect}): {len(ops)} ops\n" for dialect, ops in groups.items())]
    for dialect, ops in groups.items():
        parts.append(f"\n## {dialect}\n")
        parts += [_section(REGISTRY[name]) for name in ops]
    return "".join(parts)


def examples(cls: type[Op]) -> list[str]:
    """The IR in the docstring of an op: what follows `Example:` in its line, or indented below it."""
    return [textwrap.dedent(text).strip().strip("`") for text in _EXAMPLE.findall(inspect.getdoc(cls) or "")]


def _section(cls: type[Op]) -> str:
    text = _EXAMPLE.sub("", inspect.getdoc(cls) or "").strip()
    lines = [f"\n### {cls.op_name}\n", f"\n{text}\n" if text else ""]
    lines += [f"\n{textwrap.indent(example, '    ')}\n" for example in examples(cls)]
    facts = [*_operands(cls), *_attributes(cls), *_regions(cls)]
    if cls.traits:
        facts.append(f"traits: {', '.join(sorted(cls.traits))}")
    return "".join([*lines, "\n", *(f"- {fact}\n" for fact in facts)] if facts else lines)


def _operands(cls: type[Op]) -> Iterable[str]:
    notes = {(False, False): "", (True, False): " (optional)", (False, True): " (any number)"}
    fields = [f"`{f.name}`{notes[f.optional, f.variadic]}" for f in cls.definition.operands]
    if fields:
        yield f"operands: {', '.join(fields)}"


def _attributes(cls: type[Op]) -> Iterable[str]:
    for field in cls.definition.attributes:
        yield f"`{field.name}`: {field.codec.description}{_default(field)}"


def _default(field: AttributeField) -> str:
    default = field.default_attribute
    if default is not None:
        return f", default `{default}`"
    return "" if field.required else " (optional)"


def _regions(cls: type[Op]) -> Iterable[str]:
    fields = [f"`{f.name}`{' (any number)' if f.variadic else ''}" for f in cls.definition.regions]
    if fields:
        yield f"regions: {', '.join(fields)}"


if __name__ == "__main__":
    print(op_reference(), end="")
