"""The fuzzer of the language, guided by coverage: `python tests/fuzz/language.py CORPUS [libFuzzer's options]`.

It needs atheris, of the extra `fpack[fuzz]`. The first byte of an input says whether it is a file or an expression;
the rest is its text.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fpack.lang", "fpack.store.errors"]):
    sys.path.insert(0, str(Path(__file__).parent))
    from target import one_text


def one_input(data: bytes) -> None:
    """Run one input, as libFuzzer calls it."""
    start = "expression" if data[:1] < b"\x80" else "file"
    one_text(data[1:4000].decode("utf-8", "replace"), start)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
