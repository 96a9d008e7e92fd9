"""Compare two installed versions of fpack by pairs of whole processes.

usage: python bench/pairs.py OLD NEW FOLDER [--rounds N] [--only WORD ...]

OLD, NEW: checkouts with fpack installed in `.venv`. FOLDER: a directory in memory, which is made and deleted. The two
run in turn, and take turns in being the first of a pair. A row has the medians of processor time, and the median of the
pairs' differences with its 95 % interval (bootstrap). The exit status is 1 if an interval is wholly above zero.
"""

from __future__ import annotations

import argparse
import functools
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import graphs
import package_sets
import programs
import projects
from measure import Case, run_once

from store import fill

Command = Callable[[Path, Path], Sequence[str | Path]]  # of a checkout and its directory


def evaluating(file: Path, attribute: str, *, writes: bool = False) -> Command:
    """Return the command that evaluates an attribute of a file, and writes the derivations to a new database."""
    return lambda tree, own: [
        tree / ".venv/bin/python", tree / "bench/evaluate.py", file, attribute, own / "cache",
        *([own / "written/db"] if writes else []),
    ]  # fmt: skip


def fpack(*words: str | Path) -> Command:
    """Return a command of fpack. `OWN` in a word is the directory of the version."""
    return lambda tree, own: [tree / ".venv/bin/fpack", *(str(word).replace("OWN", str(own)) for word in words)]


def rows(folder: Path) -> Iterator[tuple[str, Command]]:
    """Write what the commands read, and yield a name and the command of each row."""
    project = folder / "project"
    project.mkdir()
    (project / "fpack.fp").write_text('hello = text("hello", "Hello")\n')
    yield "fpack --version", fpack("--version")
    yield "fpack build, nothing to do", fpack("build", f"{project}/fpack.fp#hello")
    yield "fpack eval postgres", fpack("eval", "postgres", "--json")
    for name, program in programs.programs().items():
        file = folder / f"{name.replace(', ', '-')}.fp"
        file.write_text(program.fp)
        yield name, evaluating(file, "result")
    projects.many(folder / "many", 1000)
    yield "1000 files, unchanged", evaluating(folder / "many/fpack.fp", "result")
    package_sets.members(folder / "members", 1000)
    yield "1000 members, unchanged", evaluating(folder / "members/index.fp", "every")
    package_sets.linked(folder / "linked", 1000)
    yield "1000 packages", evaluating(folder / "linked/index.fp", "every")
    for kind, write in (("explicit", graphs.explicit), ("computed", graphs.computed)):
        write(folder / kind, 10_000)
        yield f"10000 {kind}, hashed", evaluating(folder / kind / "index.fp", "every")
        yield f"10000 {kind}, written", evaluating(folder / kind / "index.fp", "every", writes=True)
    fill(folder / "files", 10_000, 0)
    yield "add 10,000 files", fpack("store", "add", folder / "files")
    yield "the same again", fpack("store", "add", folder / "files")
    yield "verify them", fpack("store", "verify")
    yield "pack postgres, nothing changed", fpack("pack", "postgres", "-o", "OWN/image.tar")
    yield "why", fpack("why", "OWN/image.tar", "libc6")
    yield "size", fpack("size", "OWN/image.tar")
    yield "shell with jq", fpack("shell", "debian.trixie.jq", "--", "true")


def prepare(name: str, fpack: Path, own: Path, env: Mapping[str, str]) -> None:
    """Delete what a command is to write anew, and make the store that it is to verify.

    The kernel's choice of memory for the files of a store makes some percent of the time to read them, and stays the
    same while the store lives: so each round has a store of its own.
    """
    shutil.rmtree(own / "written", ignore_errors=True)
    if name.startswith(("add", "verify")):
        subprocess.run(["chmod", "-R", "u+w", own / "root"], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(own / "root", ignore_errors=True)
    if name.startswith("verify"):
        command = [fpack, "store", "add", own.parent / "files"]
        subprocess.run(command, check=True, env=dict(env), stdout=subprocess.DEVNULL)


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median, by 2,000 samples."""
    chance = random.Random(1)
    found = sorted(statistics.median(chance.choices(differences, k=len(differences))) for _ in range(2000))
    return found[50], found[-51]


def main() -> int:
    """Print the table. Return 1 if a row is worse."""
    parser = argparse.ArgumentParser(description="Compare two installed versions of fpack.")
    parser.add_argument("trees", type=Path, nargs=2)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="*", metavar="WORD", help="rows with one of these words")
    given = parser.parse_args()
    trees = [tree.absolute() for tree in given.trees]
    given.folder.mkdir()
    worse = False
    try:
        print("| what | before, ms | now, ms | difference |\n| --- | --- | --- | --- |")
        for name, command in rows(given.folder):
            if given.only and not any(word in name for word in given.only):
                continue
            pairs = [pair(name, command, trees, given.folder, n) for n in range(given.rounds + 1)][1:]
            differences = [100 * (new / old - 1) for old, new in pairs]
            least, most = interval(differences)
            worse |= least > 0
            old, new = (statistics.median(column) for column in zip(*pairs, strict=True))
            middle = statistics.median(differences)
            print(f"| {name} | {old:.1f} | {new:.1f} | {middle:+.1f} % ({least:+.1f} to {most:+.1f}) |", flush=True)
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)
    return int(worse)


def pair(name: str, command: Command, trees: Sequence[Path], folder: Path, number: int) -> tuple[float, float]:
    """Run both versions once. Return their processor times in milliseconds."""
    found = {}
    for at in (0, 1) if number % 2 else (1, 0):
        own = folder / f"version{at}"
        (own / "home").mkdir(parents=True, exist_ok=True)
        env = {"HOME": f"{own}/home", "FPACK_ROOT": f"{own}/root", "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}
        words = [str(word) for word in command(trees[at], own)]
        program = trees[at] / ".venv/bin/fpack"
        before = functools.partial(prepare, name, program, own, env)
        case = Case(name, words, env, own, lambda run, before=before: before())  # type: ignore[misc]
        found[at] = 1000 * run_once(case, number, folder / "log").cpu
    return found[0], found[1]


if __name__ == "__main__":
    sys.exit(main())
