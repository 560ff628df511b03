"""What the text cannot say wrong but a pass can: values from elsewhere, broken lists. The rest is in verify.mlir."""

from __future__ import annotations

import pytest

from kernelwright.ir.core import Block, Operation, Value
from kernelwright.ir.diagnostics import VerifyError
from kernelwright.ir.dialects.arith import AddF
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.parser import parse
from kernelwright.ir.types import f32
from kernelwright.ir.verify import verify


def module_of(*ops: Operation) -> Module:
    module = Module.empty()
    func = module.block.append(function("f", [f32]))
    for op in (*ops, Return()):
        func.regions[0].block.append(op)
    return module


def test_a_value_of_another_function() -> None:
    module = module_of()
    (func,) = module.block
    other = function("g", [])
    module.block.append(other)
    other.block.append(Operation("t.use", [func.regions[0].block.arguments[0]]))
    other.block.append(Return())
    with pytest.raises(VerifyError, match=r"'t.use' operand 0 is a block argument outside 'func.func'"):
        verify(module)


def test_a_value_of_an_op_that_was_taken_out() -> None:
    gone = Operation("t.gone", [], [f32])
    with pytest.raises(VerifyError, match=r"operand 0 is a result of 't.gone' that is not in the module"):
        verify(module_of(Operation("t.use", [gone.result])))


def test_a_value_without_a_definition() -> None:
    with pytest.raises(VerifyError, match="operand 0 is a value that nothing defines"):
        verify(module_of(Operation("t.use", [Value(f32)])))


def test_a_forgotten_use() -> None:
    producer = Operation("t.a", [], [f32])
    consumer = Operation("t.use", [producer.result])
    module = module_of(producer, consumer)
    producer.result.uses.clear()
    with pytest.raises(VerifyError, match="operand 0 does not know this use; change operands with set_operand"):
        verify(module)


def test_a_use_that_is_none() -> None:
    producer = Operation("t.a", [], [f32])
    module = module_of(producer, Operation("t.other"))
    producer.result.uses[producer, 3] = None
    with pytest.raises(VerifyError, match=r"lists a use by 't.a' that has another operand there"):
        verify(module)


def test_a_block_that_belongs_to_another_region() -> None:
    module = parse('"t.a"() ({ ^bb0: "t.x"() : () -> () }) : () -> ()')
    op = module.block.terminator
    op.regions[0].blocks[0].parent = None
    with pytest.raises(VerifyError, match="has a block that belongs to another region"):
        verify(module)


def test_without_a_source_the_op_is_printed() -> None:
    block = Block([f32])
    block.arguments[0].name = "x"
    with pytest.raises(VerifyError, match=r'note: in: %0 = "arith.addf"\(%x\) : \(f32\) -> f32'):
        verify(AddF.build([block.arguments[0]], [f32], {}))


def test_every_error_is_reported() -> None:
    text = "func.func @f(%x: f32) -> f64 {\n  return %x : f32\n}\nfunc.func @g() {\n}"
    with pytest.raises(VerifyError) as caught:
        verify(parse(text))
    assert [d.location.position.line for d in caught.value.diagnostics if d.location.position] == [1, 4, 4]
