from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelwright.runtime.errors import PlanError
from kernelwright.runtime.expressions import evaluate, is_symbol, names

SYMBOLS = {"batch": 3, "seq": 7, "past_length": 11, "in": 2, "b3.end": 512}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("batch", 3),
        ("in + 1", 3),  # a Python keyword is a fine name
        ("b3.end", 512),
        ("batch * seq + past_length", 32),
        ("batch * (seq + past_length)", 54),
        ("10 - 3 - 2", 5),
        ("-seq // 2", -4),
        ("-seq % 3", 2),
        ("--seq", 7),
        ("ceildiv(batch * seq, 16)", 2),
        ("max(batch, seq, 5)", 7),
        ("min(batch)", 3),
        ("max(b3.end, ceildiv(seq, 2)) * 4", 2048),
        ("100 // 7 // 2 * 3 % 5", 1),
    ],
)
def test_value(text: str, value: int) -> None:
    assert evaluate(text, SYMBOLS) == value


def test_integers_need_no_symbols() -> None:
    assert evaluate(17, {}) == 17


def test_names() -> None:
    assert names("max(batch, b3.end) + 4 * seq") == {"batch", "b3.end", "seq"}
    assert names(4) == set()
    assert is_symbol("batch") and not is_symbol("batch + 0") and not is_symbol("4") and not is_symbol(4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end"),
        ("1 +", "unexpected end"),
        ("(1", r"expected '\)', found the end|expected '\)', found 'the end'"),
        ("1 2", "unexpected '2'"),
        ("* 2", r"unexpected '\*'"),
        ("a / 2", "unexpected character '/'"),
        ("__import__('os')", "unexpected character"),
        ("exec(1)", r"unexpected '\('"),
        ("ceildiv(1)", "'ceildiv' takes 2 arguments, found 1"),
        ("a[0]", "unexpected character"),
    ],
)
def test_syntax_errors(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        evaluate(text, {"a": 1})


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(PlanError, match="unknown name 'bach', known are: 'batch'") as caught:
        evaluate("bach * 2", {"batch": 1})
    assert caught.value.notes == ("did you mean 'batch'?",)


def test_division_by_zero() -> None:
    with pytest.raises(PlanError, match="division by zero"):
        evaluate("4 // (a - 1)", {"a": 1})


TREES = st.recursive(
    st.integers(0, 99).map(str) | st.sampled_from(["batch", "seq"]),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
)


@given(TREES)
def test_agrees_with_python(text: str) -> None:
    assert evaluate(text, SYMBOLS) == eval(text, {}, dict(SYMBOLS))
