"""Draw projects at random for a list of the corpus, by the rule that the head of projects.toml states.

    python tests/corpus/draw.py --seed 16 --pypi pypi.tsv --npm npm.tsv

prints candidates for each kind in the order of the draw: a list takes the first that the rule does not leave out (what
needs hardware, a screen or an account, or is a library among the programs, which only a reader sees). The two files
are lists of the registries' packages: names, versions, downloads or ranks, and summaries, separated by tabs.
"""

from __future__ import annotations

import argparse
import lzma
import random
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fpack.builders.debian.mirrors import find_mirrors
from packages.draw import fetch, is_program, ranking, read_packages

COUNT = 8
LARGEST = 5_000_000
# The build tools of each kind, and how far down the ranking a package may stand (None: anywhere).
DEBIAN: dict[str, tuple[str, int | None]] = {
    "autotools": (r"\b(autoconf|automake|dh-autoreconf|debhelper-compat)\b", 3_000),
    "make": (r"\b(debhelper-compat)\b", 3_000),
    "CMake": (r"\bcmake\b", 12_000),
    "Meson": (r"\bmeson\b", 12_000),
    "Go, Ruby, Java": (r"\b(golang-(any|go)|gem2deb|maven-debian-helper|javahelper)\b", None),
}
_BUILD_TOOLS = re.compile(
    r"\b(cmake|meson|golang-any|golang-go|gem2deb|maven-debian-helper|javahelper|dh-python|perl)\b"
)
_RUST = re.compile(r"\b(dh-cargo|dh-sequence-cargo)\b")
_COMMAND = re.compile(r"\b(command|command-line|commandline|cli|tool)\b", re.IGNORECASE)
_SERVER = re.compile(r"\b(server|web (application|app))\b", re.IGNORECASE)
_BINDING = re.compile(r"\b(bindings?|wrapper|cython|c extension)\b", re.IGNORECASE)
PYPI = {"Python program": (_COMMAND, 4_000), "Python web": (_SERVER, 15_000), "Python, native": (_BINDING, 4_000)}
NPM = {"Node program": (_COMMAND, 6_000), "Node web, static": (_SERVER, 15_000)}


class Source(NamedTuple):
    """A source package with one upstream archive. text: `NAME VERSION FILE SHA256`."""

    binaries: list[str]
    depends: str
    text: str


def sources(release: str) -> Iterator[Source]:
    """Yield the source packages of a release whose archive is upstream's, and not large."""
    for stanza in lzma.decompress(fetch(f"dists/{release}/main/source/Sources.xz")).decode().split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+):((?:.*)(?:\n .*)*)", stanza, re.MULTILINE))
        archives = re.findall(
            r"^ ([0-9a-f]{64}) (\d+) (\S+\.orig\.tar\.\w+)$", fields.get("Checksums-Sha256", ""), re.M
        )
        version = fields.get("Version", "").strip()
        if len(archives) != 1 or int(archives[0][1]) > LARGEST or re.search(r"dfsg|\+ds|\+repack", version):
            continue
        binaries = re.split(r",\s*", fields.get("Binary", "").strip().replace("\n", ""))
        depends = " ".join(
            fields.get(key, "") for key in ("Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep")
        )
        file = f"{fields['Directory'].strip()}/{archives[0][2]}"
        yield Source(binaries, depends, f"{fields['Package'].strip()} {version} {file} {archives[0][0]}")


def rust(seed: int) -> Iterator[tuple[str, str]]:
    """Yield kind and `NAME VERSION FILE SHA256` of source packages of programs in Rust, of the newest release first."""
    pool: dict[str, str] = {}
    for release in ("sid", "trixie", "bookworm"):
        for source in sources(release):
            has_program = any(not re.match(r"lib|python3-", name) for name in source.binaries)
            if has_program and _RUST.search(source.depends) and has(source.text.split()[2]):
                pool.setdefault(source.text.split()[0], source.text)
    found = sorted(pool.values())
    for text in random.Random(f"{seed} Rust").sample(found, len(found)):
        yield f"Rust (of {len(found)})", text


def has(file: str) -> bool:
    """Return whether the first mirror has a file: many of Debian's sources are no longer there."""
    request = urllib.request.Request(find_mirrors().urls("debian", file)[0], method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=30):
            return True
    except OSError:
        return False


def debian(seed: int) -> Iterator[tuple[str, str]]:
    """Yield kind and `NAME VERSION FILE` of source packages of trixie."""
    packages = read_packages("trixie")
    rank = {name: number for number, name in enumerate(ranking(), 1)}
    listed = []
    for source in sources("trixie"):
        programs = [b for b in source.binaries if b in packages and is_program(packages[b])]
        if programs:
            best = min((rank.get(b, 10**9) for b in programs), default=10**9)
            listed.append((best, source.depends, source.text))
    for kind, (tools, limit) in DEBIAN.items():
        pool = [
            text
            for best, depends, text in sorted(listed)
            if re.search(tools, depends)
            and (limit is None or best <= limit)
            and (kind not in ("autotools", "make") or not _BUILD_TOOLS.search(depends))
        ]
        for text in _sample(seed, kind, pool):
            yield f"{kind} (of {len(pool)})", text


def listed(
    seed: int, file: Path, kinds: dict[str, tuple[re.Pattern[str], int]], rank: int
) -> Iterator[tuple[str, str]]:
    """Yield kind and `NAME VERSION SUMMARY` from a list of a registry. rank: the column of ranks, or of downloads."""
    rows = [
        row for line in file.read_text().splitlines()[1:] if len(row := line.split("\t")) > 3 and row[rank].isdigit()
    ]
    if rank == 2:
        rows.sort(key=lambda row: -int(row[rank]))
        ranked = list(enumerate(rows, 1))
    else:
        ranked = sorted((int(row[rank]), row) for row in rows)
    for kind, (words, limit) in kinds.items():
        pool = [f"{r[0]} {r[1]} {r[-1][:90]}" for n, r in ranked if 0 < n <= limit and words.search(r[-1])]
        for text in _sample(seed, kind, pool):
            yield f"{kind} (of {len(pool)})", text


def _sample(seed: int, kind: str, pool: list[str]) -> list[str]:
    return random.Random(f"{seed} {kind}").sample(pool, min(COUNT, len(pool)))


def main() -> None:
    """Print the draw."""
    parser = argparse.ArgumentParser(description="Draw projects for the corpus.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--pypi", type=Path)
    parser.add_argument("--npm", type=Path)
    options = parser.parse_args()
    for draw in (debian, rust):
        for kind, text in draw(options.seed):
            print(kind, text, sep="\t")
    if options.pypi:
        for kind, text in listed(options.seed, options.pypi, PYPI, 3):
            print(kind, text, sep="\t")
    if options.npm:
        for kind, text in listed(options.seed, options.npm, NPM, 2):
            print(kind, text, sep="\t")


if __name__ == "__main__":
    main()
