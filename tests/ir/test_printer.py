"""The printed form: usual forms where they lose nothing, generic form elsewhere, unique value names."""

from __future__ import annotations

import numpy as np

from kernelwright.ir.attributes import DenseAttr, DictAttr, IntegerAttr, StringAttr, UnitAttr
from kernelwright.ir.core import Block, Operation, Region
from kernelwright.ir.dialects.builtin import Func, Module, Return, function
from kernelwright.ir.location import Location
from kernelwright.ir.symbols import symbol
from kernelwright.ir.types import FunctionType, TensorType, f16, f32, index

T = TensorType((symbol("batch"), 768), f16)


def net() -> Module:
    module = Module.empty("net")
    module.attributes["kw.target"] = StringAttr("cpu")
    main = function("main", [T])
    x = main.block.arguments[0]
    x.name = "x"
    main.arg_attrs = (DictAttr.of({"kw.name": StringAttr("input")}),)
    body = Region(Block([index, f32], [Operation("t.yield")]))
    attributes = {"flag": UnitAttr(), "a b": IntegerAttr(3), "d": DenseAttr(np.array([1, 2]))}
    op = main.block.append(
        Operation("t.op", [x, x], [T, f32], attributes, [body, Region()], Location(("/a/Relu", "b")))
    )
    op.results[0].name = "/a/Relu"
    op.results[1].name = "x"
    main.block.append(Return((op.results[0],)))
    main.update_type()
    module.block.append(main)
    return module


def test_module() -> None:
    type = 'tensor<?x768xf16, #kw.dims<"batch">>'
    location = 'loc(fused["/a/Relu", "b"])'
    assert (
        str(net())
        == f"""\
module @net attributes {{kw.target = "cpu"}} {{
  func.func @main(%x: {type} {{kw.name = "input"}}) -> {type} {{
    %a_Relu, %x_0 = "t.op"(%x, %x) ({{
    ^bb0(%0: index, %1: f32):
      "t.yield"() : () -> ()
    }}, {{
    }}) {{flag, "a b" = 3 : i64, d = dense<[1, 2]> : tensor<2xi64>}} : ({type}, {type}) -> ({type}, f32) {location}
    return %a_Relu : {type}
  }}
}}"""
    )


def test_an_op_is_printed_with_the_names_of_its_function() -> None:
    body = net().main.block
    assert str(body.terminator).startswith("return %a_Relu : ")


def test_a_function_whose_body_disagrees_with_its_type_is_generic() -> None:
    func = Func(Region(Block([f32], [Return()])), "f", FunctionType((f16,), ()))
    assert str(func).startswith('"func.func"() ({\n^bb0(%0: f32):')


def test_private_declaration() -> None:
    func = Func(Region(), "f", FunctionType((f16,), (f32,)))
    func.attributes["sym_visibility"] = StringAttr("private")
    assert str(func) == "func.func private @f(f16) -> f32"


def test_functions_number_their_values_anew() -> None:
    module = Module.empty()
    for name in "ab":
        func = module.block.append(function(name, [f32]))
        func.regions[0].block.append(Return())
    assert str(module).count("(%0: f32)") == 2
