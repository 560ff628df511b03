"""Canonical forms: every rule registered with `@canonicalization`, applied until none fires."""

from __future__ import annotations

from ...ir.dialects.builtin import Module
from ..base import Pass, PassContext, load_builtin_passes
from ..rewrite import CANONICALIZATIONS, apply_patterns


class Canonicalize(Pass):
    """Bring ops into one form, so that other passes have fewer to know: `relu(relu(x))` becomes `relu(x)`.

    The rules stand beside the ops they are about (`@canonicalization`); each only simplifies or picks one of several
    equal forms, and none depends on the target.
    """

    name = "canonicalize"

    def run(self, module: Module, context: PassContext) -> None:
        load_builtin_passes()
        apply_patterns(module, CANONICALIZATIONS, context)
