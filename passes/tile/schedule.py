"""The parameters that a strategy chooses for a kernel, as dataclasses and as the attribute `schedule`."""

from __future__ import annotations

import typing
from dataclasses import dataclass, fields
from typing import ClassVar, Self

from ...ir.attributes import DictAttr, IntegerAttr


@dataclass(frozen=True)
class Schedule:
    """A frozen dataclass whose fields are integers and flags; `subject` is what it schedules, for errors."""

    subject: ClassVar[str]

    def to_attribute(self) -> DictAttr:
        """The fields by name; flags are 0 or 1."""
        return DictAttr.of({field.name: IntegerAttr(int(getattr(self, field.name))) for field in fields(self)})

    @classmethod
    def from_attribute(cls, attribute: DictAttr) -> Self:
        """The schedule that a kernel carries. Raises ValueError where it is none of this class."""
        values = {name: value.value for name, value in attribute.items if isinstance(value, IntegerAttr)}
        hints = {field.name: typing.get_type_hints(cls)[field.name] for field in fields(cls)}
        if values.keys() != hints.keys():
            raise ValueError(f"not the schedule of {cls.subject}: {attribute}")
        return cls(**{name: hints[name](value) for name, value in values.items()})
