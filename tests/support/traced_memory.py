"""Measure the memory that a function takes."""

from __future__ import annotations

import os
import traceback
import tracemalloc
from collections.abc import Callable


def peak_memory(run: Callable[[], object]) -> int:
    """Call a function in a fork of this process, and return the most bytes that Python held for it.

    Servers of other tests may run in threads of this process. A fork has the calling thread alone. Raise AssertionError
    with the traceback of what the function raised.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        text = "nothing was measured"
        try:
            tracemalloc.start()
            run()
            text = str(tracemalloc.get_traced_memory()[1])
        except BaseException:
            tracemalloc.stop()
            text = traceback.format_exc()
        finally:
            os.write(writer, text.encode(errors="replace")[-4000:])
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as file:
        text = file.read()
    os.waitpid(child, 0)
    assert text.isdigit(), text or "the process that measured has died"
    return int(text)
