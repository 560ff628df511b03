"""The `nn` dialect: about a hundred core ops, one meaning each."""

from __future__ import annotations
