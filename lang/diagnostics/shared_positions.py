"""Find the code of one value in a text, with its own positions and name, if values of one shape share their code."""

from __future__ import annotations

from types import CodeType
from typing import Any

from fpack.lang.abi import ORIGINAL, SHARED


def is_shared(code: CodeType) -> bool:
    """Return whether the code is that of a value which may share it, or is inside of such code."""
    return SHARED in code.co_varnames or SHARED in code.co_freevars or SHARED in code.co_cellvars


def original(code: CodeType, names: dict[str, Any], scope: dict[str, Any]) -> CodeType:
    """Return the code with the positions of the value that a frame evaluates.

    names, scope: the local and global names of the frame.
    """
    if ORIGINAL not in scope or not is_shared(code) or SHARED not in names:
        return code
    found: CodeType = scope[ORIGINAL](code, names[SHARED][0])
    return found
