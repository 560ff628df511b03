"""Kernel formation: groups of ops that become one launch."""
