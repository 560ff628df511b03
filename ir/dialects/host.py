"""Work that no kernel does: nodes that the host runs between launches, on any target.

A value that no buffer can hold is an *object* of the host: strings, sequences, optionals, maps, and tensors whose shape
is only known once they are computed. Only `host.call` makes and reads objects.
"""

from __future__ import annotations

from ..core import Value
from ..declare import Op
from ..types import Scalar, TensorType, Type

GAP = "no kernel: "
"""How the reason starts where a kernel is missing: what the host runs then it should not have to."""


class Call(Op, name="host.call"):
    """Run the registered host function `function` on values; not pure, since it may draw random numbers.

    `arguments` is a text for the function. `reason` says why no kernel does this.

    Example: %y = "host.call"(%x) {function = "onnx.node", arguments = "{…}", reason = "its values are strings"}
        : (tensor<2x!kw.string>) -> tensor<2x!kw.string>
    """

    inputs: tuple[Value, ...]
    function: str
    arguments: str
    reason: str


def is_object(type: Type) -> bool:
    """Whether values of this type are objects of the host."""
    return not (isinstance(type, TensorType) and type.shape is not None and isinstance(type.dtype, Scalar))
