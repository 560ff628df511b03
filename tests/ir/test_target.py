"""Target descriptions: files, module attributes, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelwright.ir import target
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.target import CpuTarget, CudaTarget, Target


@pytest.mark.parametrize("name", target.names())
def test_every_packaged_target_travels_with_the_module(name: str) -> None:
    module = Module.empty()
    description = target.builtin(name)
    description.attach(module)
    assert Target.of(module) == description
    assert description.name == name


def test_kinds_have_their_own_fields() -> None:
    h200, avx = target.builtin("cuda:h200"), target.builtin("cpu-avx512")
    assert isinstance(h200, CudaTarget)
    assert h200.multiprocessors == 132
    assert isinstance(avx, CpuTarget)
    assert avx.lanes() == 16


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(CompileError, match=r"did you mean 'cuda:sm_90a'"):
        target.builtin("cuda:sm_90")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"kind": "tpu"}, "'kind' must be cpu or cuda, found 'tpu'"),
        ({"cores": "four"}, "field 'cores' must be an integer, found 'four'"),
        ({"core": 4}, "a cpu target has no field 'core'; did you mean 'cores'"),
    ],
)
def test_a_wrong_file_names_the_field(tmp_path: Path, edit: dict[str, object], message: str) -> None:
    data = json.loads((target.FOLDER / "cpu-avx2.json").read_text()) | edit
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(data))
    with pytest.raises(CompileError) as error:
        target.from_file(file)
    assert str(file) in str(error.value)
    assert message in str(error.value)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"kind": "cpu", "name": "mine"}')
    with pytest.raises(CompileError, match="needs the field 'arch'"):
        target.from_file(file)


def test_a_module_without_target_says_what_to_do() -> None:
    with pytest.raises(CompileError, match="--target"):
        Target.of(Module.empty())
