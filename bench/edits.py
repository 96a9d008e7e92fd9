"""Time a build after a one-line edit: `fpack build` beside `buildah build` with cache mounts.

usage: python bench/edits.py FOLDER [--rounds N] [--only NAME ...] [--no-peers] [--json FILE]

FOLDER: a directory on a disk, made and deleted. The projects are the examples for Go, Rust, Python and Node, and one
of C++ with six files. Each is built once; a round then adds a line to one file and builds again. The peer's base image
has the same Debian packages, packed by fpack; its caches are Go's build cache, cargo's `target` and CMake's build
directory. Rounds are interleaved. Processor time is that of all processes in a control group if one can be made, else
of the command's children only, to which fpack's builds do not belong. The rows of a project are printed, and written to
FILE, as soon as it is done, with the machine's load; a project of which a command fails leaves the others.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# Control groups that count processor time, in version 1 and 2: the directory, the file, and the unit in seconds.
GROUPS = ((Path("/sys/fs/cgroup/cpuacct"), "cpuacct.usage", 1e-9), (Path("/sys/fs/cgroup"), "cpu.stat", 1e-6))

CPP = """words = cmake {
  name = "words"
  version = "1.0"
  source = ./src
}
"""
BASE = """debian = import("fpack/debian").trixie
image = container {{ name = "base", packages = [{packages}] }}
"""
CMAKE = """cmake_minimum_required(VERSION 3.20)
project(words LANGUAGES CXX)
add_executable(words main.cc part0.cc part1.cc part2.cc part3.cc part4.cc)
install(TARGETS words)
"""
PART = """#include <map>
#include <regex>
#include <string>
#include <vector>
std::string part{i}(const std::string &text) {{
  std::map<std::string, std::vector<int>> found;
  found[text].push_back({i});
  return std::regex_replace(text, std::regex("[a-z]+{i}"), "x{i}");
}}
"""


class Project(NamedTuple):
    """A project.

    name: the attribute to build. edited: the file to which `line` is added. packages: those of the peer's base image.
    command: the lines of the peer's Containerfile that build; "" if there is no peer. fetch: a command that fetches the
    peer's packages into the project's directory, by the machine's own pip or npm. first: lines of the Containerfile
    that do not depend on the code.
    """

    name: str
    edited: str
    line: str
    packages: tuple[str, ...] = ()
    command: str = ""
    fetch: str = ""
    first: str = ""


PROJECTS = {
    "go": Project(
        "greeter", "src/main.go", 'var edit{n} = "{n}"\n', ("golang-go",),
        "RUN --mount=type=cache,target=/cache GOCACHE=/cache GOFLAGS='-trimpath -buildvcs=false -mod=vendor' "
        "CGO_ENABLED=0 sh -c 'go build -o /greeter . && go vet . && go test .'",
    ),
    "rust": Project(
        "tally", "src/src/main.rs", "#[used] static EDIT_{n}: u32 = {n};\n", ("cargo", "gcc", "libc6-dev", "rustc"),
        "RUN --mount=type=cache,target=/src/target mkdir -p /root/.cargo && printf '[source.vendored]\\n"
        'directory = "/src/vendor"\\n[registries.ours]\\nindex = "sparse+https://crates.example.org/index/"\\n'
        "[source.ours]\\nregistry = \"sparse+https://crates.example.org/index/\"\\nreplace-with = \"vendored\"\\n' "
        ">/root/.cargo/config.toml && cargo build --release --offline --locked && "
        "cargo test --release --offline --locked",
    ),
    "cpp": Project(
        "words", "src/main.cc", "int edit{n} = {n};\n", ("cmake", "g++", "ninja-build"),
        "RUN --mount=type=cache,target=/objects cmake -S . -B /objects -G Ninja -DCMAKE_BUILD_TYPE=Release && "
        "cmake --build /objects && cmake --install /objects",
    ),
    "flask": Project(
        "app", "src/app.py", "EDIT_{n} = {n}\n", ("python3", "python3-venv"), "RUN /venv/bin/python -m compileall -q .",
        "pip download -q -d wheels --python-version 3.13 --only-binary=:all: -r requirements.txt",
        "COPY requirements.txt wheels/ /wheels/\nRUN --mount=type=cache,target=/cache python3 -m venv /venv && "
        "/venv/bin/pip install -q --cache-dir /cache --no-index --find-links /wheels -r /wheels/requirements.txt\n",
    ),
    "node": Project(
        "greeter", "src/server.js", "const edit{n} = {n}\n", ("nodejs", "npm"), "RUN node --check server.js",
        "cp -r src fetched && cd fetched && npm ci --silent --ignore-scripts --cache ../fetched-cache",
        "COPY src/package.json src/package-lock.json .\nCOPY fetched-cache /fetched\n"
        "RUN --mount=type=cache,target=/cache cp -r /fetched/. /cache && "
        "npm ci --offline --ignore-scripts --omit=dev --cache /cache\n",
    ),
}  # fmt: skip
_BASE = ("bash", "coreutils", "dash", "sed", "grep", "findutils")


class CommandFailed(Exception):
    """A command that failed. Its text has the last part of the command's output."""


class Used(NamedTuple):
    """The seconds that a command took."""

    wall: float
    processor: float


def measure(words: list[str], folder: Path, env: dict[str, str]) -> Used:
    """Run a command and return its times. Raise CommandFailed if it fails."""
    directory, usage, unit = GROUPS[0] if GROUPS[0][0].is_dir() else GROUPS[1]
    group = directory / f"bench-{os.getpid()}"
    try:
        group.mkdir(exist_ok=True)
        grouped = (group / usage).exists()
    except OSError:
        grouped = False

    def join() -> None:
        if grouped:
            (group / "cgroup.procs").write_text("0")

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, preexec_fn=join)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if grouped:
        counted = (group / usage).read_text().split()
        processor = int(counted[0] if len(counted) == 1 else counted[1]) * unit
        while group.exists():  # the group's last process may still be ending
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.01)
    if done.returncode:
        raise CommandFailed(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return Used(wall, processor)


def prepare(folder: Path, name: str) -> Path:
    """Make the directory of a project, and return its path."""
    place = folder / name
    if name != "cpp":
        shutil.copytree(ROOT / "examples" / name, place)
        return place
    (place / "src").mkdir(parents=True)
    (place / "fpack.fp").write_text(CPP)
    (place / "src" / "CMakeLists.txt").write_text(CMAKE)
    for i in range(5):
        (place / "src" / f"part{i}.cc").write_text(PART.format(i=i))
    (place / "src" / "main.cc").write_text("int main() {}\n")
    return place


def main() -> None:
    """Build, edit and build again; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(PROJECTS), choices=list(PROJECTS))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = given.folder.absolute()
    folder.mkdir(parents=True)
    env = {**os.environ, "FPACK_ROOT": str(folder / "store"), "XDG_CACHE_HOME": str(folder / "cache")}
    storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]
    peers = not given.no_peers and shutil.which("buildah") is not None
    figures: dict[str, dict[str, list[Used]]] = {}
    failed = []
    print("| project | what | wall s | CPU s | load |\n| --- | --- | --- | --- | --- |", flush=True)
    try:
        for name in given.only:
            try:
                figures[name] = rows = times(name, folder, given.rounds, env, storage if peers else None)
            except CommandFailed as error:
                failed.append(name)
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                continue
            for what, used in rows.items():
                wall, processor = (statistics.median(column) for column in zip(*used, strict=True))
                load = f"{os.getloadavg()[0]:.0f}"
                print(f"| {name} | `{what}` after an edit | {wall:.2f} | {processor:.2f} | {load} |", flush=True)
            if given.json:
                given.json.write_text(json.dumps(figures))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if failed:
        sys.exit(f"without figures: {', '.join(failed)}")


def times(
    name: str, folder: Path, rounds: int, env: dict[str, str], storage: list[str] | None
) -> dict[str, list[Used]]:
    """Return the times of a project's builds, each after an edit. storage: options of buildah, None for no peer."""
    project = PROJECTS[name]
    place = prepare(folder, name)
    mine = [str(ROOT / "cli/fpack"), "build", f"#{project.name}"]
    measure([mine[0], "lock"], place, env)
    measure(mine, place, env)
    commands = {"fpack build": mine}
    if storage is not None and project.command:
        commands["buildah build"] = theirs = peer(name, place, env, storage)
        measure(theirs, place, env)
    rows: dict[str, list[Used]] = {what: [] for what in commands}
    edited = place / project.edited
    for number in range(rounds):
        for what, words in commands.items():
            # Each line has a number of its own, so that no build finds the result of another.
            edited.write_text(edited.read_text() + project.line.format(n=2 * number + (what[0] == "b")))
            rows[what].append(measure(words, place, env))
    return rows


def peer(name: str, place: Path, env: dict[str, str], storage: list[str]) -> list[str]:
    """Make the base image and the Containerfile of the peer. Return the command that builds with them."""
    project = PROJECTS[name]
    if project.fetch:
        measure(["sh", "-c", project.fetch], place, {**os.environ})
    packages = ", ".join(f'debian."{package}"' for package in (*_BASE, *project.packages))
    (place / "base.fp").write_text(BASE.format(packages=packages))
    measure([str(ROOT / "cli/fpack"), "pack", "base.fp", "-o", "base.tar"], place, env)
    image = _pulled(storage, place / "base.tar")
    measure(["buildah", *storage, "tag", image, f"localhost/base-{name}"], place, env)
    (place / "Containerfile").write_text(
        f"FROM localhost/base-{name}\nWORKDIR /src\n{project.first}COPY src .\n{project.command}\n"
    )
    options = ["--isolation", "chroot", "--layers", "--pull-never"]
    return ["buildah", *storage, "build", *options, "-t", name, "."]


def _pulled(storage: list[str], archive: Path) -> str:
    """Pull an image and return its ID. A list of the images would not tell the latest: all have the same date."""
    words = ["buildah", *storage, "pull", "-q", f"oci-archive:{archive}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[-1]


if __name__ == "__main__":
    main()
