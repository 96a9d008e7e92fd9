"""Compare the language with Nix's: graphs of derivations, package sets, programs, whole processes, and reloading.

usage: python bench/language.py --nix DIR/enter [--runs N] [--only WORD ...] [--json FILE]

`enter` is a program that runs its arguments in a root with Nix, where DIR/shared is /h and DIR/shm is /h/shm
(README.md). Without it, only fpack is measured. Run this with the Python of an installed fpack. The exit status is 1 if
a figure is above its limit.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import graphs
import package_sets
import programs
import projects
from measure import Case, Run, measure

SIZES = (1000, 10_000, 50_000)  # of graphs, in derivations
SETS = (1000, 5000)  # of package sets, in packages
MEAN_LIMIT = 0.75  # of the geometric mean of the programs' ratios
GRAPHS: dict[str, Callable[[Path, int], None]] = {"explicit": graphs.explicit, "computed": graphs.computed}
HERE = Path(__file__).resolve().parent


class Row(NamedTuple):
    """One line of the table.

    own, peer: the figures of fpack and of Nix. limit: the largest ratio of wall time, or without a peer the most
    seconds; 0 for no limit. small: fpack must also take no more memory than the peer.
    """

    name: str
    own: Run
    peer: Run | None
    limit: float
    small: bool = False

    @property
    def ratio(self) -> float | None:
        """The wall seconds divided by the peer's, or None without a peer."""
        return self.own.wall / self.peer.wall if self.peer else None

    @property
    def missed(self) -> bool:
        """True if the figure is above its limit."""
        figure = self.own.wall if self.ratio is None else self.ratio
        larger = self.small and self.peer is not None and self.own.memory > self.peer.memory
        return larger or (bool(self.limit) and figure > self.limit)


class Bench:
    """The directories of a run, and the commands of fpack and Nix in them."""

    def __init__(self, enter: Path | None, runs: int, folder: Path, inside: str, quick: Path) -> None:
        self.enter = enter
        self.runs = runs
        self.folder = folder
        self.inside = inside  # `folder` as the peer sees it
        self.quick = quick  # a directory in memory, for stores
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self.env["HOME"] = str(folder / "home")
        self.env["FPACK_ROOT"] = str(folder / "root")

    def own(self, name: str, command: Sequence[str], prepare: Callable[[int], object] = lambda n: None) -> Case:
        """Return a command of fpack to time."""
        return Case(name, command, self.env, self.folder, prepare)

    def evaluate(self, file: str, attribute: str, *more: str) -> list[str]:
        """Return the command that evaluates an attribute of a file in the folder. more: see evaluate.py."""
        script = str(HERE / "evaluate.py")
        return [sys.executable, script, str(self.folder / file), attribute, str(self.folder / "cache"), *more]

    def beside(self, name: str, own: Case, peer: Sequence[str], limit: float, *, runs: int = 0) -> Row:
        """Time both sides in turn, and return a row. The time to enter the peer's root is subtracted from its
        figures."""
        if self.enter is None:
            return Row(name, measure([own], runs or self.runs, self.folder / "log")[own.name], None, 0)
        enter = [str(self.enter)]
        cases = [
            Case("enter", [*enter, "true"], self.env, self.folder),
            Case("peer", [*enter, *peer], self.env, self.folder, own.prepare),
            own,
        ]
        found = measure(cases, runs or self.runs, self.folder / "log")
        return Row(name, found[own.name], _less(found["peer"], found["enter"]), limit)


def graph_rows(bench: Bench, sizes: Sequence[int]) -> Iterator[Row]:
    """Time evaluating and hashing graphs of derivations, and also writing them to a new store."""
    for kind, write in GRAPHS.items():
        for size in sizes:
            place = f"{kind}-{size}"
            write(bench.folder / place, size)
            hashing = 0.75 if kind == "explicit" and size >= 10_000 else 1.1
            nix = ["nix-instantiate", "--readonly-mode", f"{bench.inside}/{place}/index.nix"]
            own = bench.own("fpack", bench.evaluate(f"{place}/index.fp", "every"))
            yield bench.beside(f"{size} {kind}, hashed", own, nix, hashing)

            def prepare(number: int) -> None:
                shutil.rmtree(bench.quick, ignore_errors=True)
                bench.quick.mkdir()

            store = f"/h/shm/{bench.quick.name}"
            nix = ["nix-instantiate", "--store", f"{store}/nix", f"{bench.inside}/{place}/index.nix"]
            own = bench.own(
                "fpack",
                bench.evaluate(f"{place}/index.fp", "every", str(bench.quick / "fpack" / "db")),
                prepare,
            )
            runs = min(bench.runs, 3) if size >= 10_000 else 0
            yield bench.beside(f"{size} {kind}, written", own, nix, 0.33 if size == 1000 else 0.2, runs=runs)
            prepare(0)


def set_rows(bench: Bench, sizes: Sequence[int]) -> Iterator[Row]:
    """Time evaluating and hashing sets of packages that are linked with each other, also after an edit of one file."""
    sums = {size: package_sets.closures(package_sets.graph(size)) for size in sizes}
    for size in sizes:
        place = f"set-{size}"
        package_sets.linked(bench.folder / place, size)
        nix = ["nix-instantiate", "--readonly-mode", f"{bench.inside}/{place}/index.nix"]
        own = bench.own("fpack", bench.evaluate(f"{place}/index.fp", "every"))
        row = bench.beside(f"{size} packages, {sums[size]} in closures", own, nix, 1.2)
        yield row._replace(small=row.peer is not None)
    folder = bench.folder / "set-files"
    package_sets.files(folder, 1000)
    for attribute, what in (("every", "all"), ("one", "one, which needs 1 of 1000 files")):
        command = bench.evaluate("set-files/index.fp", attribute)
        cases = [
            bench.own("unchanged", command),
            bench.own("edited", command, lambda n: package_sets.edit(folder, n)),
        ]
        found = measure(cases, bench.runs, bench.folder / "log")
        yield Row(f"1000 files, {what}, unchanged", found["unchanged"], None, 0)
        yield Row(f"1000 files, {what}, one edited", found["edited"], None, 0)
    yield from member_rows(bench)


def member_rows(bench: Bench) -> Iterator[Row]:
    """Time evaluating a `package-set` if no member is known from a former evaluation, all are, or one was edited."""
    folder = bench.folder / "set-members"
    package_sets.members(folder, 1000)
    command = bench.evaluate("set-members/index.fp", "every")
    cache = bench.folder / "cache"

    def cold(number: int) -> None:
        for entry in set(os.listdir(cache)) - kept:
            os.unlink(cache / entry)

    forgets = {**bench.env, "FORGET": "1"}
    measure([Case("compile", command, forgets, bench.folder)], 1, bench.folder / "log")
    kept = set(os.listdir(cache))  # compiled files, and nothing of members
    cases = [
        Case("forgets", command, forgets, bench.folder),
        bench.own("cold", command, cold),
        bench.own("warm", command),
        bench.own("leaf", command, lambda n: package_sets.edit_member(folder, "p999", n)),
        bench.own("middle", command, lambda n: package_sets.edit_member(folder, "p500", n)),
    ]
    found = measure(cases, bench.runs, bench.folder / "log")
    yield Row("1000 members, nothing remembered or written", found["forgets"], None, 0)
    yield Row("1000 members, nothing remembered", found["cold"], None, 0)
    yield Row("1000 members, unchanged", found["warm"], None, 0)
    yield Row("1000 members, one edited that no other is made from", found["leaf"], None, 0)
    yield Row("1000 members, one in the middle edited", found["middle"], None, 0)


def program_rows(bench: Bench) -> Iterator[Row]:
    """Time programs that compute (programs.py)."""
    for name, program in programs.programs().items():
        stem = name.replace(", ", "-")
        (bench.folder / f"{stem}.fp").write_text(program.fp)
        (bench.folder / f"{stem}.nix").write_text(program.nix)
        own = bench.own("fpack", bench.evaluate(f"{stem}.fp", "result"))
        yield bench.beside(name, own, ["nix-instantiate", "--eval", f"{bench.inside}/{stem}.nix"], 2)


def process_rows(bench: Bench) -> Iterator[Row]:
    """Time commands of the fpack that is installed beside this Python, if there is one."""
    fpack = Path(sys.executable).with_name("fpack")
    if not fpack.exists():
        return
    project = bench.folder / "project"
    project.mkdir()
    (project / "fpack.fp").write_text('hello = text("hello", "Hello")\n')
    for name, arguments, limit in (
        ("fpack --version", ["--version"], 0.060),
        ("fpack build, nothing to do", ["build", "fpack.fp#hello"], 0.080),
        ("fpack eval postgres", ["eval", "postgres", "--json"], 0.120),
    ):
        case = Case("fpack", [str(fpack), *arguments], bench.env, project)
        try:
            yield Row(name, measure([case], max(bench.runs, 5), bench.folder / "log")["fpack"], None, limit)
        except SystemExit as error:
            print(f"left out: {error}", file=sys.stderr)


def reload_rows(bench: Bench) -> Iterator[Row]:
    """Time parsing and compiling a large file, and loading a project of many files, unchanged and with one edited."""
    large = bench.folder / "large.fp"
    large.write_text(projects.realistic(100_000))
    nothing = bench.folder / "nothing.fp"
    nothing.write_text("result = 1\n")
    cache = bench.folder / "cold"

    def cold(number: int) -> None:
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(bench.folder / "warm", cache)

    script = str(HERE / "evaluate.py")

    def case(name: str, file: Path, prepare: Callable[[int], object]) -> Case:
        return bench.own(name, [sys.executable, script, str(file), "result", str(cache)], prepare)

    # The first run of any file fills the cache with the tables of the grammar and the library. That does not count.
    (bench.folder / "warm").mkdir()
    measure([case("warm", nothing, lambda n: None)], 1, bench.folder / "log")
    shutil.copytree(cache, bench.folder / "warm", dirs_exist_ok=True)
    found = measure(
        [case("large", large, cold), case("nothing", nothing, lambda n: None)], bench.runs, bench.folder / "log"
    )
    yield Row("100 KB, first time", _less(found["large"], found["nothing"]), None, 0.4)

    count = 1000
    project = bench.folder / "many"
    projects.many(project, count)
    index = project / "fpack.fp"
    cases = [
        case("unchanged", index, lambda n: None),
        case("edited", index, lambda n: projects.edit(project, n)),
        case("nothing", nothing, lambda n: None),
    ]
    before = 0

    def entries() -> int:
        return len(os.listdir(cache))

    measure([cases[0]], 1, bench.folder / "log")
    before = entries()
    found = measure(cases, bench.runs, bench.folder / "log")
    parsed = (entries() - before) / (bench.runs + 1)
    each = Run(*(figure / count for figure in _less(found["unchanged"], found["nothing"])))
    yield Row("one of 1000 files, unchanged", each, None, 0.0003)
    yield Row(f"1000 files, one edited ({parsed:g} parsed)", found["edited"], None, 0)


def _less(run: Run, base: Run) -> Run:
    """Subtract the times of a command that does nothing from those of a run."""
    return Run(run.wall - base.wall, run.cpu - base.cpu, run.memory)


def table(rows: Sequence[Row]) -> str:
    lines = [("what", "wall s", "cpu s", "MB", "Nix wall", "cpu", "MB", "ratio", "of cpu", "limit", "")]
    for row in rows:
        digits = 3 if row.own.wall > 0.002 else 5
        line = [row.name, f"{row.own.wall:.{digits}f}", f"{row.own.cpu:.{digits}f}", f"{row.own.memory:.0f}"]
        if row.peer:
            line += [f"{row.peer.wall:.3f}", f"{row.peer.cpu:.3f}", f"{row.peer.memory:.0f}"]
            line += [f"{row.ratio:.2f}", f"{row.own.cpu / row.peer.cpu:.2f}"]
        else:
            line += [""] * 5
        lines.append((*line, f"{row.limit:g}" if row.limit else "", "above" if row.missed else ""))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    )


def mean(rows: Sequence[Row]) -> float:
    """Return the geometric mean of the ratios, 0 if there are none."""
    ratios = [row.ratio for row in rows if row.ratio is not None]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 0.0


def main() -> int:
    """Measure the chosen parts and print a table. Return 1 if a figure is above its limit."""
    parser = argparse.ArgumentParser(description="Compare the language with Nix's.")
    parser.add_argument("--nix", type=Path, help="a program that runs its arguments where Nix is; its folder is shared")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=["graphs", "programs", "processes", "reload", "sets"])
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--sets", type=int, nargs="*", default=SETS)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    shared = given.nix.absolute().parent / "shared" if given.nix else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="language-", dir=shared))
    quick = (given.nix.absolute().parent / "shm" if given.nix else folder) / f"{folder.name}-store"
    bench = Bench(given.nix and given.nix.absolute(), given.runs, folder, f"/h/{folder.name}", quick)
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "processes": lambda: process_rows(bench),
        "reload": lambda: reload_rows(bench),
        "programs": lambda: program_rows(bench),
        "sets": lambda: set_rows(bench, given.sets),
        "graphs": lambda: graph_rows(bench, given.sizes),
    }
    rows: list[Row] = []
    computing: list[Row] = []
    try:
        for name, part in parts.items():
            for row in part() if not given.only or name in given.only else ():
                rows.append(row)
                if name == "programs":
                    computing.append(row)
                print(
                    f"{row.name}: {row.own.wall:.4f} s" + (f", ratio {row.ratio:.2f}" if row.ratio else ""),
                    file=sys.stderr,
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(quick, ignore_errors=True)
    print(table(rows))
    if any(row.ratio for row in computing):
        print(f"geometric mean of the programs' ratios: {mean(computing):.2f} (limit {MEAN_LIMIT})")
    if given.json:
        figures = [
            {"name": r.name, "fpack": r.own._asdict(), "nix": r.peer and r.peer._asdict(), "limit": r.limit}
            for r in rows
        ]
        given.json.write_text(json.dumps({"runs": given.runs, "rows": figures, "programs": mean(computing)}, indent=2))
    return int(any(row.missed for row in rows) or mean(computing) > MEAN_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
