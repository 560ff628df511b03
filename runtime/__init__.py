"""Runs a plan; importable without the compiler."""
