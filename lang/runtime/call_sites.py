"""Remember which call in the user's text led to a function of the library.

The library's values are lazy: they are often evaluated when no code of the user runs. Each function of the library that
takes a record keeps the call that led to it in a variable, which the functions nested in it share (see
compiler/call_sites.py). diagnostics/error_location.py takes the position of an error from that variable.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType

from fpack.lang.abi import SHARED, SITE
from fpack.light_typing import Any, NamedTuple

MAX_FRAMES = 64  # frames between a function of the library and the call in the user's text


class CallSite(NamedTuple):
    """A call in the user's text: its code, instruction and text, the called function's name, and its record.

    names, scope: if values share the code, the local and global names of its frame; else names is empty.
    """

    code: CodeType
    instruction: int
    source: Any  # a Source
    function: str
    given: Any
    names: dict[str, Any]
    scope: dict[str, Any]


def call_site(given: Any) -> CallSite | None:
    """Return the innermost call in the user's text that led to the running function; None if there is none.

    given: the record that the function was called with.
    """
    running = sys._getframe(1)
    frame: FrameType | None = running.f_back
    for _ in range(MAX_FRAMES):
        if frame is None:
            return None
        source = frame.f_globals.get(".source")
        if source is not None:
            code = frame.f_code
            if not source.library:
                shared = SHARED in code.co_varnames or SHARED in code.co_freevars or SHARED in code.co_cellvars
                names = {SHARED: frame.f_locals[SHARED]} if shared else {}
                return CallSite(code, frame.f_lasti, source, running.f_code.co_name, given, names, frame.f_globals)
            if SITE in code.co_freevars or SITE in code.co_cellvars or SITE in code.co_varnames:
                site: CallSite | None = frame.f_locals.get(SITE)
                return site
        frame = frame.f_back
    return None


RUNTIME: dict[str, Any] = {".call-site": call_site}
