"""Draw packages at random from Debian's ranking of packages by installs.

    python tests/packages/draw.py --seed 13

prints the drawn names in order, as `KIND RELEASE NAME RANK`. The ranking is the list of the package `debian-cd` (its
tasks/*/popularity-contest), which is older than the releases: packages that a release no longer has are left out.
The rules that say which packages have a command or a request at all are `is_program` and `is_server`.

A list such as packages.toml has the drawn packages in this order. Those that cannot show anything in a container, in
Debian neither (a driver of a printer, a daemon of the hardware), are in its table `skipped`, each with the reason.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import random
import re
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.builders.debian.mirrors import find_mirrors

# How many of each kind are drawn from each release. A list has the first that are not skipped: 90 of trixie, five of
# each of the others.
PLAN = {
    ("program", "trixie"): 132,
    ("server", "trixie"): 48,
    ("program", "bookworm"): 8,
    ("server", "bookworm"): 2,
    ("program", "sid"): 8,
    ("server", "sid"): 2,
}
# Only the first packages of the ranking: what many people install. There are fewer servers than programs.
LIMITS = {"program": 10_000, "server": 20_000}

# Sections of libraries, documents, data, kernels, and of programs that need a screen or a sound card.
SECTIONS = frozenset(
    ["debian-installer", "debug", "doc", "fonts", "games", "gnome", "gnustep", "hamradio", "introspection", "kde"]
    + ["kernel", "libdevel", "libs", "localization", "lxde", "metapackages", "oldlibs", "sound", "tasks", "video"]
    + ["x11", "xfce"]
)
SERVER_SECTIONS = frozenset(["comm", "database", "httpd", "mail", "net", "news", "web"])
NAMES = re.compile(r"(lib|linux-|firmware-|task-|fonts?-)|.*-(dev|docs?|data|common|dbg|theme|examples|tests?|dkms)\Z")
# Who depends directly on one of these is a program with windows, or plays sound.
SCREEN = re.compile(
    r"(libx11-6|libxcb1|libxt6|lib(gtk|qt|kf|sdl|gl|opengl|fltk|wx|wayland-client|adwaita|asound)[-.0-9].*|libgl1.*|"
    r"libqt\d(gui|widgets|quick).*|gir1\.2-gtk.*|python3-(tk|pyqt\d.*|pygame|wxgtk.*|gi)|tk\d*|xserver.*|x11-.*|.*-dkms|"
    r"default-jre)\Z"
)
_PROGRAM = re.compile(r"(usr/)?(s?bin|games)/[^/]+\Z")
_UNIT = re.compile(r"(usr/)?lib/systemd/system/[^/@]+\.service\Z")


class Package(NamedTuple):
    """A package of a release: its section, direct dependencies, programs in PATH, and names of service units."""

    name: str
    section: str
    depends: frozenset[str]
    programs: frozenset[str]
    units: frozenset[str]


def is_program(package: Package) -> bool:
    """Return whether the package has a program for a terminal."""
    return (
        bool(package.programs)
        and package.section not in SECTIONS
        and not NAMES.match(package.name)
        and not any(SCREEN.match(name) for name in package.depends)
    )


def is_server(package: Package) -> bool:
    """Return whether the package has a program that a unit starts, in a section of servers."""
    return is_program(package) and bool(package.units) and package.section in SERVER_SECTIONS


def draw(seed: int, kind: str, release: str, ranking: list[str], packages: Mapping[str, Package]) -> list[str]:
    """Draw from one part of the plan. A package that is a server is drawn as a server only."""
    chosen = is_server if kind == "server" else lambda p: is_program(p) and not is_server(p)
    pool = [n for n in ranking[: LIMITS[kind]] if n in packages and chosen(packages[n])]
    return random.Random(f"{seed} {kind} {release}").sample(pool, PLAN[kind, release])


def drawn(seed: int) -> dict[tuple[str, str], list[str]]:
    """Draw for each part of the plan."""
    ranks = ranking()
    releases = {release: read_packages(release) for _kind, release in PLAN}
    return {(kind, release): draw(seed, kind, release, ranks, releases[release]) for kind, release in PLAN}


def ranking() -> list[str]:
    """Return the names of packages, most installed first, from the machine's package `debian-cd`."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "debian-cd"], cwd=directory, check=True
        )
        (deb,) = Path(directory).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, directory], check=True)
        text = max(
            Path(directory).glob("usr/share/debian-cd/tasks/*/popularity-contest"), key=_rank_of_list
        ).read_text()
    return list(dict.fromkeys(name for name in text.splitlines() if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name)))


def _rank_of_list(path: Path) -> tuple[int, str]:
    return path.stat().st_size, path.parent.name


def read_packages(release: str) -> dict[str, Package]:
    """Read the packages of a release's component main for amd64."""
    programs: defaultdict[str, set[str]] = defaultdict(set)
    units: defaultdict[str, set[str]] = defaultdict(set)
    for arch in ("amd64", "all"):
        for path, name in _contents(release, arch):
            if _PROGRAM.match(path):
                programs[name].add(path)
            elif _UNIT.match(path):
                units[name].add(path)
    text = lzma.decompress(fetch(f"dists/{release}/main/binary-amd64/Packages.xz")).decode()
    result = {}
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Section|Depends|Pre-Depends): *(.*)$", stanza, re.MULTILINE))
        if name := fields.get("Package"):
            words = f"{fields.get('Depends', '')},{fields.get('Pre-Depends', '')}"
            depends = frozenset(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", words))
            result[name] = Package(
                name, fields.get("Section", ""), depends, frozenset(programs[name]), frozenset(units[name])
            )
    return result


def _contents(release: str, arch: str) -> Iterator[tuple[str, str]]:
    """Yield path and package of each program and unit in a Contents index."""
    for line in (
        gzip.decompress(fetch(f"dists/{release}/main/Contents-{arch}.gz")).decode("utf-8", "replace").split("\n")
    ):
        if line.startswith(("usr/bin/", "usr/sbin/", "usr/games/", "bin/", "sbin/", "usr/lib/sys", "lib/sys")):
            path, _, owners = line.rpartition(" ")
            for owner in owners.split(","):
                yield path.rstrip(), owner.rpartition("/")[2]


def fetch(path: str) -> bytes:
    """Fetch a file of the archive from the machine's mirrors. Nothing here is run, so signatures are not checked."""
    error: Exception | None = None
    for url in find_mirrors().urls("debian", path):
        try:
            with urllib.request.urlopen(url, timeout=120) as response:
                data: bytes = response.read()
                return data
        except (OSError, urllib.error.URLError) as caught:
            error = caught
    raise SystemExit(f"no mirror has {path}: {error}")


def main() -> None:
    """Print the draw."""
    parser = argparse.ArgumentParser(description="Draw packages from Debian's ranking by installs.")
    parser.add_argument("--seed", type=int, required=True)
    seed = parser.parse_args().seed
    ranks = {name: number for number, name in enumerate(ranking(), 1)}
    for (kind, release), names in drawn(seed).items():
        for name in names:
            print(kind, release, name, ranks[name])


if __name__ == "__main__":
    main()
