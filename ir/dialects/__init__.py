"""The dialects: each op's declaration, result types, evaluation and documentation together."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil

_FILES = {"func": "builtin"}


@functools.cache
def load(dialect: str) -> None:
    """Import the declarations of `dialect`; nothing happens where it has none here."""
    name = f"{__name__}.{_FILES.get(dialect, dialect)}"
    if dialect.isidentifier() and importlib.util.find_spec(name) is not None:
        importlib.import_module(name)


def load_all() -> None:
    """Import every dialect of this package."""
    for module in pkgutil.iter_modules(__path__):
        load(module.name)
