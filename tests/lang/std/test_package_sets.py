"""Sets of packages that are linked with each other: what each is linked with, in which order, and at what cost."""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path
from types import FrameType

import pytest
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime import deep_stack
from fpack.store import derivation as drv
from fpack.store.path import find_references
from support.archives.packages import Everything

# The derivations of `libraries(40, 5)`. They changed by accident if this fails: every package is built again.
DIGEST = "a314826ea0609bc0fe7e7813f6dbd2aa5bb18d5418b89e57576fd542b00f26b5"


def libraries(count: int, layers: int, seed: int = 3) -> list[list[int]]:
    """Return the libraries of each package, all from lower layers."""
    chance, size = random.Random(seed), count // layers
    return [
        sorted({chance.randrange(i // size * size) for _ in range(chance.randint(1, 4))}) if i >= size else []
        for i in range(count)
    ]


def text(libs: list[list[int]]) -> str:
    """Return a file of packages, also with libraries of Debian, tools, programs that they run, and several outputs."""
    lines = ['debian = import("fpack/debian").trixie']
    for i, listed in enumerate(libs):
        names = [f"p{d}" for d in listed]
        fields = [
            f'name = "p{i}"',
            f"libs = [{', '.join([*names, *([f'debian.lib{i % 5}'] if i % 3 == 0 else [])])}]",
        ]
        fields += ['outputs = ["out", "dev"]'] if i % 4 == 0 else []
        fields += [f"tools = [{names[0]}, debian.gcc]"] if names and i % 5 == 0 else []
        fields += [f"runtime = [{names[-1]}, debian.tool{i % 7}]"] if names and i % 6 == 0 else []
        lines.append(f"p{i} = package {{ {', '.join(fields)} }}")
    return "\n".join([*lines, f"every = [{', '.join(f'p{i}' for i in range(len(libs)))}]"]) + "\n"


def evaluated(folder: Path, cache: Path, libs: list[list[int]]) -> tuple[Evaluator, list[bytes]]:
    """Return an evaluator of these packages, and the digests of their derivations."""
    (folder / "fpack.fp").write_text(text(libs))
    settings = {"arch": "amd64", "codec": {}, "version": "0"}
    evaluator = Evaluator(cache=cache, packages=Everything(), settings=settings)
    every = evaluator.select(evaluator.load(folder / "fpack.fp"), ["every"])
    return evaluator, [evaluator.derivation_of(value)[0] for value in every]


def test_derivations_do_not_change(tmp_path: Path, cache: Path) -> None:
    evaluator, _ = evaluated(tmp_path, cache, libraries(40, 5))
    assert hashlib.sha256(b"".join(sorted(evaluator.derivations))).hexdigest() == DIGEST


@pytest.mark.parametrize("seed", range(3))
def test_libraries_are_in_the_order_of_their_levels(seed: int, tmp_path: Path, cache: Path) -> None:
    libs = libraries(30, 5, seed)
    evaluator, digests = evaluated(tmp_path, cache, libs)
    number = {drv.placeholder_hash(digest, "out"): i for i, digest in enumerate(digests)}
    for i, digest in enumerate(digests):
        wanted: list[int] = []
        level = libs[i]
        while level:
            new = [d for d in dict.fromkeys(level) if d not in wanted]
            wanted += new
            level = [further for d in new for further in libs[d]]
        path = drv.decode(evaluator.derivations[digest]).args["env"].get("LIBRARY_PATH", "")
        assert [number[hash_] for part in path.split(":") if part for hash_, _ in find_references(part)] == wanted


def calls(folder: Path, cache: Path, libs: list[list[int]]) -> int:
    """Return the number of calls of Python functions in an evaluation of packages."""
    folder.mkdir()
    evaluated(folder, cache, libs)  # fills the cache
    count = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call"

    def counted() -> None:
        sys.setprofile(note)
        evaluated(folder, cache, libs)
        sys.setprofile(None)

    deep_stack.run(counted)
    return count


def test_the_cost_is_that_of_the_packages_themselves(tmp_path: Path, cache: Path) -> None:
    """Twice as many packages, with closures of nearly four times the size, take less than twice the calls."""
    half, whole = libraries(60, 6), libraries(120, 12)
    assert calls(tmp_path / "whole", cache, whole) < 1.8 * calls(tmp_path / "half", cache, half)
