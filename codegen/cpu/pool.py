"""The LLVM IR of the worker pool and the launch loop that every CPU plan contains (pool.ll)."""

from __future__ import annotations

from pathlib import Path


def pool_source(triple: str) -> str:
    """pool.ll for the architecture of an LLVM target triple.

    Nothing in it depends on the architecture but the instruction that a waiting thread executes.
    """
    text = Path(__file__).with_name("pool.ll").read_text()
    if triple.startswith(("aarch64", "arm64")):
        text = text.replace("declare void @llvm.x86.sse2.pause()", "declare void @llvm.aarch64.hint(i32)")
        return text.replace("@llvm.x86.sse2.pause()", "@llvm.aarch64.hint(i32 1)")  # yield
    return text
