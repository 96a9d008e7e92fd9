"""Compare the store with Nix's: adding, scanning for references, closures, collecting garbage, verifying.

usage: python bench/store.py FOLDER [--nix ENTER SHM] [--files N] [--size MB] [--paths N] [--dead N] [--runs N]
       [--only add large floor scan closure gc verify] [--json FILE]

FOLDER: a directory on tmpfs, because Nix does not sync what it adds; it is made and deleted. ENTER: a program that runs
its arguments in a Debian root with Nix (see README.md), where SHM, a directory of the host on tmpfs, is /h/shm. A
figure is the median over whole processes, which run in turn; the time of `ENTER true` is subtracted from Nix's. The
exit status is 1 if a figure is beyond its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from measure import Case, measure
from pack import fpack_command

# Nix loads a registration without reading the trees, so any hash of the right form will do.
_NIX_HASH = "sha256:0000000000000000000000000000000000000000000000000000"
# The characters of hashes in paths, which are the same for Nix and fpack.
_LETTERS = "0123456789abcdfghijklmnpqrsvwxyz"
_BARE = [sys.executable, str(Path(__file__).with_name("bare_files.py"))]
ONLY = ("add", "large", "floor", "scan", "closure", "gc", "verify")


class Row(NamedTuple):
    """A figure of fpack, in `unit`.

    what: the description in the table. peer: the peer's figure, None if it was not measured. limit: the largest ratio
    of the figure to the peer's. most, least: limits of the figure itself.
    """

    what: str
    figure: float
    unit: str
    peer: float | None = None
    limit: float | None = None
    most: float | None = None
    least: float | None = None

    @property
    def ratio(self) -> float | None:
        """The figure divided by the peer's."""
        return self.figure / self.peer if self.peer else None

    @property
    def good(self) -> bool:
        """True if the figure is within its limits. A limit of the ratio counts only if the peer was measured."""
        ratio = self.ratio
        return (
            (ratio is None or self.limit is None or ratio <= self.limit)
            and (self.most is None or self.figure <= self.most)
            and (self.least is None or self.figure >= self.least)
        )


class Bench:
    """The directories of a run, and the commands of fpack and Nix in them. shm: where Nix's stores and sources are."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.runs: int = options.runs
        self.enter: str | None = options.nix[0] if options.nix else None
        self.shm = Path(options.nix[1]) / "fpack-bench" if options.nix else folder
        self.sources = self.shm / "sources"
        self.sources.mkdir(parents=True)

    def env(self, store: Path) -> dict[str, str]:
        """Return the environment in which fpack uses a store."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {"HOME": str(home), "PATH": os.environ["PATH"], "FPACK_ROOT": str(store), "NO_COLOR": "1"}

    def fpack(self, name: str, store: Path, *words: str, prepare: Callable[[int], object] = lambda run: None) -> Case:
        """Return a command of fpack to time. prepare: called before each run, which is not timed."""
        return Case(name, [fpack_command(), *words], self.env(store), self.folder, prepare)

    def nix(self, name: str, *words: str, prepare: Callable[[int], object] = lambda run: None) -> list[Case]:
        """Return a command of Nix to time in a list; the list is empty if Nix is not measured."""
        if self.enter is None:
            return []
        return [Case(name, [self.enter, *words], dict(os.environ), self.folder, prepare)]

    def inside(self, path: Path) -> str:
        """Return the path in Nix's root of a path below `shm`."""
        return f"/h/shm/fpack-bench/{path.relative_to(self.shm)}"

    def wall(self, *cases: Case) -> list[float]:
        """Time commands in turn. Return the median wall seconds of each, for Nix without the time to enter its root."""
        entering = self.nix("enter", "true")
        found = measure([*cases, *entering], self.runs, self.folder / "log")
        off = found["enter"].wall if entering else 0.0
        return [found[case.name].wall - (off if case.command[0] == self.enter else 0.0) for case in cases]


def fill(folder: Path, files: int, size: int) -> None:
    """Make files of `size` random bytes, or of 500 to 4,500 if `size` is 0."""
    noise = random.Random(1)
    for number in range(files):
        directory = folder / f"d{number // 250}"
        if number % 250 == 0:
            directory.mkdir(parents=True)
        with open(directory / f"f{number}", "wb") as file:
            left = size or noise.randrange(500, 4500)
            while left:
                piece = noise.randbytes(min(left, 1 << 20))
                file.write(piece)
                left -= len(piece)
    # fpack remembers the digest of a file only if the file did not change just now.
    old = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (old, old))


def add(bench: Bench, name: str, files: int, size: int, limit: float, again: float) -> Iterator[Row]:
    """Add a source to a new store, and again to the same. limit, again: limits of the two ratios to Nix."""
    source = bench.sources / name
    fill(source, files, size)
    time.sleep(3)  # until the files' status changes, whose times cannot be set, are no longer recent
    store = bench.folder / "store"
    nix = bench.shm / "nix"

    def fresh(path: Path) -> Callable[[int], object]:
        return lambda run: (delete(path), delete(bench.folder / "home"), (bench.folder / "home").mkdir())

    words = ("nix-store", "--store", bench.inside(nix), "--add", bench.inside(source)) if bench.enter else ()
    ours = bench.fpack("fpack", store, "store", "add", str(source), prepare=fresh(store))
    theirs = bench.nix("nix", *words, prepare=fresh(nix)) if words else []
    what = f"add {files:,} files" + (f" of {size / 1e6:.0f} MB" if size else "")
    yield compared(what, bench.wall(ours, *theirs), limit)
    ours = bench.fpack("fpack", store, "store", "add", str(source))
    yield compared(f"{what}, again", bench.wall(ours, *(bench.nix("nix", *words) if words else [])), again)
    delete(store)
    delete(nix)
    delete(source)


def floor(bench: Bench, files: int, size: int) -> Iterator[Row]:
    """Time two processes that copy the sources of `add` with only the system calls that an add needs.

    No store that syncs nothing can be faster than this.
    """
    for name, count, each in (("small", files, 0), ("large", 64, size * 1_000_000 // 64)):
        source, target = bench.sources / name, bench.folder / "floor"
        fill(source, count, each)
        words = [*_BARE, "copy", str(source), str(target)]
        case = Case("floor", words, bench.env(target), Path("/"), lambda run: delete(bench.folder / "floor"))
        yield Row(f"system calls of adding {count:,} {name} files", bench.wall(case)[0], "s")
        delete(source)
        delete(target)


def compared(what: str, seconds: Sequence[float], limit: float) -> Row:
    """Return a row. seconds: those of fpack and, if they were measured, of the peer."""
    return Row(what, seconds[0], "s", seconds[1] if len(seconds) > 1 else None, limit)


def scan(size: int) -> Row:
    """Search `size` MB of this machine's programs and libraries for 500 hashes, of which 100 are written into them."""
    from fpack.builders.exec.references import Finder

    noise = random.Random(2)
    hashes = {"".join(noise.choices(_LETTERS, k=32)).encode() for _ in range(500)}
    data = bytearray()
    for path in sorted(Path("/usr/lib").rglob("*.so*")) + sorted(Path("/usr/bin").iterdir()):
        if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
            data += path.read_bytes()
        if len(data) >= 64 << 20:
            break
    placed = sorted(hashes)[:100]
    for number, hash_ in enumerate(placed):
        at = number * (len(data) // 100)
        data[at : at + 32] = hash_
    pieces = [bytes(data[at : at + (1 << 20)]) for at in range(0, len(data), 1 << 20)]
    rates = []
    for _ in range(5):
        finder = Finder(hashes)
        begin = time.perf_counter()
        for number in range(max(size, len(pieces))):
            finder.feed(pieces[number % len(pieces)])
        rates.append(max(size, len(pieces)) * (1 << 20) / (time.perf_counter() - begin) / 1e9)
        assert finder.found >= set(placed)
    return Row("scan for references", statistics.median(rates), "GB/s", least=3.0)


def fill_store(root: Path, chains: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Make a store of chains of paths, each a small file, and return the last path of each chain, by its name.

    chains: pairs of a name and a number of paths. Each path references the one before it, and the one at half its
    number.
    """
    from fpack.store.path import make
    from fpack.store.sessions.registration import FinishedOutput
    from fpack.store.store import Store

    store = Store(root)
    last = {}
    for name, count in chains:
        made: list[Any] = []
        batch = []
        for number in range(count):
            writer = store.writer()
            writer.file("", [f"{name} {number}\n".encode()])
            references = sorted({made[index] for index in (number - 1, number // 2) if 0 <= index < number})
            made.append(make(f"{name}{number}", writer.finish(), references))
            batch.append(FinishedOutput(f"{name}{number}", writer, references, None))
            if len(batch) == 500 or number == count - 1:
                store.register_all(b"", batch)
                batch = []
        last[name] = made[-1]
    store.close()
    return last


def closure(bench: Bench, paths: int) -> Row:
    """Time finding the closure of a path that consists of `paths` paths."""
    from fpack.store.store import Store

    root = bench.folder / "closure"
    top = fill_store(root, [("p", paths)])["p"]
    store = Store(root)
    times = []
    for _ in range(15):
        begin = time.perf_counter()
        found = store.closure([top])
        times.append(time.perf_counter() - begin)
    assert len(found) == paths
    store.close()
    delete(root)
    return Row(f"closure of {paths:,} paths", statistics.median(times) * 1000, "ms", most=30.0)


def collect(bench: Bench, dead: int) -> Iterator[Row]:
    """Time collecting `dead` paths in a store with as many living ones, and a tenth of that in another store."""
    found = []
    for count in (dead // 10, dead):
        root = bench.folder / f"gc{count}"
        seconds, peers = [], []
        for _ in range(max(bench.runs // 2, 1)):
            prepare_gc(root, count)
            seconds += bench_once(bench.fpack("fpack gc", root, "gc", "--all"), bench)
            delete(root)
            if bench.enter is not None:
                nix = bench.shm / "nix-gc"
                prepare_nix_gc(bench, nix, count)
                words = ("nix-store", "--store", bench.inside(nix), "--gc")
                (entering,) = bench_once(bench.nix("enter", "true")[0], bench)
                peers += [each - entering for each in bench_once(bench.nix("nix gc", *words)[0], bench)]
                delete(nix)
        found.append(statistics.median(seconds))
        what = f"collect {count:,} among {count:,} that live"
        yield Row(what, found[-1], "s", statistics.median(peers) if peers else None, 0.5)
    yield Row("collect ten times as many", found[1] / found[0], "times", most=12.0)


def bench_once(case: Case, bench: Bench) -> list[float]:
    """Run a command once. Return its wall seconds in a list."""
    from measure import run_once

    return [run_once(case, 0, bench.folder / "log").wall]


def prepare_gc(root: Path, count: int) -> None:
    """Make a store with `count` dead and as many living paths, and a gc root that keeps the latter."""
    from fpack.store.gc import add_root
    from fpack.store.store import Store

    last = fill_store(root, [("live", count), ("dead", count)])
    store = Store(root)
    add_root(store, root / "link", store.disk(last["live"]))
    store.close()


def prepare_nix_gc(bench: Bench, root: Path, count: int) -> None:
    """Make the store of `prepare_gc` for Nix: write the files, and let Nix load a registration of them."""
    store = root / "nix" / "store"
    store.mkdir(parents=True)
    roots = root / "nix" / "var" / "nix" / "gcroots"
    roots.mkdir(parents=True)
    noise = random.Random(3)
    lines: list[str] = []
    for name in ("live", "dead"):
        made: list[str] = []
        for number in range(count):
            base = f"{''.join(noise.choices(_LETTERS, k=32))}-{name}{number}"
            (store / base).write_text(f"{name} {number}\n")
            path = f"/nix/store/{base}"
            references = sorted({made[index] for index in (number - 1, number // 2) if 0 <= index < number})
            lines += [path, _NIX_HASH, str(16), "", str(len(references)), *references]
            made.append(path)
        if name == "live":
            (roots / name).symlink_to(made[-1])
    (root / "registration").write_text("\n".join(lines) + "\n")
    with open(root / "registration", "rb") as file:
        words = [str(bench.enter), "nix-store", "--store", bench.inside(root), "--load-db"]
        subprocess.run(words, stdin=file, check=True, capture_output=True)


def verify(bench: Bench, files: int, size: int) -> Iterator[Row]:
    """Time `fpack store verify` for many small files and for large ones, beside only hashing the same files with
    BLAKE3.

    The peer is b3sum if it is installed, else bare_files.py.
    """
    for what, count, each in (("small", files, 0), ("large", 64, size * 1_000_000 // 64)):
        source, store = bench.sources / "verify", bench.folder / "verify"
        fill(source, count, each)
        words = [fpack_command(), "store", "add", str(source)]
        subprocess.run(words, env=bench.env(store), check=True, capture_output=True)
        ours = bench.fpack("fpack", store, "store", "verify")
        if program := shutil.which("b3sum"):
            hashing = f"find {store}/files -type f -print0 | xargs -0 -P2 -n 500 {program}"
            peer = Case("b3sum", ["sh", "-c", hashing], dict(os.environ), bench.folder)
        else:
            peer = Case("blake3", [*_BARE, "hash", str(store / "files")], bench.env(store), Path("/"))
        yield compared(f"verify {count:,} {what} files, beside {peer.name}", bench.wall(ours, peer), 1.5)
        delete(store)
        delete(source)


def delete(path: Path) -> None:
    """Delete a tree, also one whose directories are read-only."""
    if path.exists():
        subprocess.run(["chmod", "-R", "u+w", str(path)], check=False, capture_output=True)
        shutil.rmtree(path, ignore_errors=True)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a text table. A row with `!` is beyond its limit."""
    texts = [("what", "fpack", "peer", "ratio", "limit", "")]
    for row in rows:
        peer = f"{row.peer:.3f}" if row.peer is not None else ""
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
        limit = row.limit if row.peer is not None else row.most or row.least
        bound = f"{'>= ' if row.least else ''}{limit:g}" if limit is not None else ""
        texts.append((row.what, f"{row.figure:.3f} {row.unit}", peer, ratio, bound, "" if row.good else "!"))
    widths = [max(len(text[column]) for text in texts) for column in range(6)]
    return "\n".join(
        "  ".join(part.ljust(width) for part, width in zip(t, widths, strict=True)).rstrip() for t in texts
    )


def main() -> int:
    """Measure and print. Return 1 if a figure is beyond its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nix", nargs=2, metavar=("ENTER", "SHM"))
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--size", type=int, default=2000, help="MB of large files")
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--dead", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=ONLY, default=ONLY)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    bench = Bench(options.folder, options)
    large = options.size * 1_000_000 // 64
    parts: dict[str, Callable[[], Sequence[Row]]] = {
        "add": lambda: list(add(bench, "small", options.files, 0, 0.3, 0.1)),
        "large": lambda: list(add(bench, "large", 64, large, 0.17, 0.1)),
        "floor": lambda: list(floor(bench, options.files, options.size)),
        "scan": lambda: [scan(max(options.size // 2, 16))],
        "closure": lambda: [closure(bench, options.paths)],
        "gc": lambda: list(collect(bench, options.dead)),
        "verify": lambda: list(verify(bench, options.files, options.size)),
    }
    rows: list[Row] = []
    try:
        for name in options.only:
            rows += parts[name]()
            print(table(rows[-3:]) if name == "gc" else table(rows), file=sys.stderr)
    finally:
        delete(options.folder)
        delete(bench.shm if options.nix else options.folder)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
