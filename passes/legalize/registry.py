"""Which function legalizes which operator, from which version on.

    @legalize("Relu")
    def relu(n: Node) -> Value:
        return n(nn.Relu(n[0]))

    @legalize("Squeeze", since=13)
    def squeeze_13(n: Node) -> Value: ...

A function serves the opsets from `since` up to the next registration of the same operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ...ir.core import Value
from ...ir.dialects.onnx import DOMAIN

if TYPE_CHECKING:
    from .node import Node

Results = Value | Sequence[Value | None]
Legalization = Callable[["Node"], Results]
F = TypeVar("F", bound=Legalization)

_TABLE: dict[tuple[str, str], dict[int, Legalization]] = {}


class UnsupportedError(Exception):
    """Raised by a legalization for a form of its operator that it cannot express; the message says which."""


class InvalidError(UnsupportedError):
    """Raised for a node that no version of its operator allows: nothing can run it."""


def legalize(*operators: str, since: int = 1, domain: str = DOMAIN) -> Callable[[F], F]:
    """Register a function for `operators` from opset `since` on."""

    def register(function: F) -> F:
        for operator in operators:
            versions = _TABLE.setdefault((domain, operator), {})
            assert since not in versions, f"{operator}-{since} is registered twice"
            versions[since] = function
        return function

    return register


def legalization(domain: str, operator: str, opset: int) -> Legalization | None:
    """The function for the operator's version in `opset`, or None."""
    versions = _TABLE.get((domain, operator), {})
    reached = [since for since in versions if since <= opset]
    return versions[max(reached)] if reached else None


def operators(domain: str = DOMAIN) -> list[str]:
    """The operators of a domain that can be legalized, in alphabetical order."""
    return sorted(operator for own, operator in _TABLE if own == domain)


def registered() -> list[tuple[str, str]]:
    """Domain and operator of everything that can be legalized."""
    return sorted(_TABLE)
