"""The fuzzer of the decoders, guided by coverage: `python tests/fuzz/decode.py DECODER CORPUS [libFuzzer's options]`.

It needs atheris, of the extra `fpack[fuzz]`. `decoders.py` lists the decoders.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fpack.builders", "fpack.store"]):
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    import decoders

NAME = sys.argv.pop(1) if __name__ == "__main__" else ""


def one_input(data: bytes) -> None:
    """Run one input, as libFuzzer calls it."""
    decoders.attempt(NAME, data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
