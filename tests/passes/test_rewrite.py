"""The greedy driver: fixed points, locations, dead code, rules that undo each other."""

from __future__ import annotations

import pytest

from kernelwright.ir.core import Value
from kernelwright.ir.declare import PURE, Op
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.location import Location
from kernelwright.ir.types import TensorType, Type, f32
from kernelwright.passes.base import PassContext
from kernelwright.passes.rewrite import Rewriter, apply_patterns, pattern


class Unary(Op):
    x: Value

    def infer(self) -> list[Type]:
        return [self.x.type]


class Twist(Unary, name="testrewrite.twist", traits=(PURE,)):
    """Undone by a second twist."""


class Untwist(Unary, name="testrewrite.untwist", traits=(PURE,)):
    """The other way round."""


@pattern(Twist)
def twist_of_twist(op: Twist, rw: Rewriter) -> None:
    """twist(twist(x)) = x"""
    if isinstance(inner := op.x.owner, Twist):
        rw.replace(op, inner.x)


@pattern(Twist)
def twist_to_untwist(op: Twist, rw: Rewriter) -> None:
    rw.replace(op, Untwist(op.x))


@pattern(Untwist)
def untwist_to_twist(op: Untwist, rw: Rewriter) -> None:
    rw.replace(op, Twist(op.x))


def chain(*classes: type[Unary]) -> Module:
    module = Module.empty()
    main = function("main", [TensorType((4,), f32)])
    value: Value = main.block.arguments[0]
    for i, cls in enumerate(classes):
        op = cls(value, location=Location((f"node{i}",)))
        main.block.append(op)
        value = op.result
    main.block.append(Return((value,)))
    main.update_type()
    module.block.append(main)
    return module


def names(module: Module) -> list[str]:
    return [op.name.removeprefix("testrewrite.") for op in module.main.block][:-1]


@pytest.mark.parametrize(("count", "left"), [(1, 1), (2, 0), (5, 1), (64, 0)])
def test_a_rule_fires_until_it_does_not_apply(count: int, left: int) -> None:
    module, context = chain(*[Twist] * count), PassContext()
    firings = apply_patterns(module, [twist_of_twist], context)
    assert names(module) == ["twist"] * left
    assert firings["twist_of_twist"] == (count - left) // 2
    assert context.changed == (count > 1)


def test_nothing_is_reported_changed_when_no_rule_fires() -> None:
    context = PassContext()
    apply_patterns(chain(Untwist), [twist_of_twist], context)
    assert not context.changed


def test_the_replacement_stands_in_the_place_and_carries_the_name() -> None:
    module = chain(Twist)
    apply_patterns(module, [twist_to_untwist], PassContext())
    [op] = list(module.main.block)[:-1]
    assert isinstance(op, Untwist)
    assert op.location.names == ("node0",)


def test_merged_ops_leave_their_names() -> None:
    @pattern(Untwist)
    def merge(op: Untwist, rw: Rewriter) -> None:
        if isinstance(inner := op.x.owner, Twist):
            rw.replace(op, Untwist(inner.x), merging=[inner])

    module = chain(Twist, Untwist)
    apply_patterns(module, [merge], PassContext())
    assert names(module) == ["untwist"]
    assert next(iter(module.main.block)).location.names == ("node0", "node1")


def test_rules_that_undo_each_other_are_both_named() -> None:
    with pytest.raises(CompileError) as error:
        apply_patterns(chain(Twist), [twist_to_untwist, untwist_to_twist], PassContext())
    assert "rewriting does not end" in str(error.value)
    assert "'twist_to_untwist'" in str(error.value)
    assert "'untwist_to_twist'" in str(error.value)


def test_a_rule_that_feeds_itself_is_named() -> None:
    @pattern(Twist)
    def again(op: Twist, rw: Rewriter) -> None:
        rw.replace(op, Twist(op.x))

    with pytest.raises(CompileError, match="'again' fires on its own result"):
        apply_patterns(chain(Twist), [again], PassContext())
