"""The judges judge: they take MLIR, and refuse what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

MODULE = """
module @m attributes {kw.target = "cpu"} {
  func.func @main(%x: tensor<?x4xf32, #kw.dims<"batch">>) -> tensor<?x4xf32, #kw.dims<"batch">> {
    %y = "nn.relu"(%x) : (tensor<?x4xf32, #kw.dims<"batch">>) -> tensor<?x4xf32, #kw.dims<"batch">> loc("/relu/Relu")
    return %y : tensor<?x4xf32, #kw.dims<"batch">>
  }
}
"""


@pytest.fixture(params=["mlir_opt", "xdsl_opt"])
def tool(request: pytest.FixtureRequest) -> Callable[[str], str]:
    return request.getfixturevalue(request.param)


def test_unregistered_dialects_are_accepted(tool: Callable[[str], str]) -> None:
    assert '"nn.relu"' in tool(MODULE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("return %y", "return %z"), ("return %y :", "return %y"), ("tensor<?x4xf32", "tensor<?xx4xf32")],
    ids=["undefined value", "syntax", "malformed type"],
)
def test_bad_text_fails_the_test(tool: Callable[[str], str], old: str, new: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="refuses the text"):
        tool(MODULE.replace(old, new))
