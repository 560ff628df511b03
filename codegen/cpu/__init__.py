"""LLVM IR for CPUs."""
