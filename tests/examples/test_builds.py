"""Test that the examples with sources build, run, pack, run as images, and are rebuilt elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.examples import EXAMPLES, LEFT_BY_USERS, World
from support.needs import needs_podman
from support.processes.elsewhere import NOBODY, elsewhere
from support.processes.people import public_directory
from support.processes.podman import Podman
from support.processes.serving import free_port
from support.time_limits import WAIT

pytestmark = [pytest.mark.network, *needs_podman]


def test_a_c_program(world: World, podman: Podman) -> None:
    folder = world.examples / "c-hello"
    assert world.fpack("run", "hello", "--", "hello", "you", cwd=folder, timeout=600).stdout == "Hello, you!\n"
    world.fpack("pack", cwd=folder, timeout=300)
    image = podman.load(folder / "hello.tar")
    assert podman.run(image, "reader").stdout == "Hello, reader!\n"


def test_packages_without_a_container(world: World, podman: Podman) -> None:
    folder = world.examples / "libraries"
    # A library has nothing to run, a program has; both come with all that they load.
    made = world.fpack.pack("shape", "show", "-o", "own", cwd=folder, timeout=600)
    shape, show = (podman.load(folder / image["file"]) for image in made["images"])
    assert podman.run(show, "3", "4").stdout == "5: ~_~_~\n"
    assert podman("image", "inspect", shape, "-f", "{{.Config.Entrypoint}}").stdout == "[]\n"
    assert podman.run(show, "3", "4", options=["--entrypoint", "show"]).stdout == "5: ~_~_~\n"


@pytest.mark.parametrize(
    ("example", "name", "word", "answer"),
    [
        ("autotools", "roman", "1994", "MCMXCIV\n"),
        ("rust", "tally", "word", "word: 1 time\n"),
        ("ruby", "nearest", "pelikan", "pelican\n"),
        ("php", "plural", "bus", "buses\n"),
        ("java", "primes", "84", "84: 2 2 3 7\n"),
    ],
)
def test_a_program(world: World, podman: Podman, example: str, name: str, word: str, answer: str) -> None:
    folder = world.examples / example
    assert world.fpack("run", name, "--", name, word, cwd=folder, timeout=900).stdout == answer
    world.fpack("pack", cwd=folder, timeout=300)
    image = podman.load(folder / f"{name}.tar")
    assert podman.run(image, word).stdout == answer
    packages = {each["package"] for each in json.loads((folder / f"{name}.manifest.json").read_text())["paths"]}
    assert "libc6" in packages and not packages & {
        "gcc",
        "libc6-dev",
        "make",
        "rustc",
        "cargo",
        "ruby-dev",
        "libtool",
        "composer",
    }


def test_a_program_with_a_cmake_and_a_meson_library(world: World, podman: Podman) -> None:
    folder = world.examples / "libraries"
    assert world.fpack("run", "show", "--", "show", "3", "4", cwd=folder, timeout=600).stdout == "5: ~_~_~\n"
    packed = world.fpack.pack(cwd=folder, timeout=300)
    image = podman.load(folder / "show.tar")
    assert podman.run(image, "6", "8").stdout == "10: ~_~_~_~_~_\n"
    names = {path.rpartition("/")[2].partition("-")[2] for path in _paths(folder / "show.manifest.json")}
    assert {"show-1.0", "wave-0.3", "shape-1.2"} <= names and packed["digest"]
    assert not any("dev" in name or name.startswith(("gcc", "cmake", "meson-")) for name in names)


def test_a_library_of_a_set_is_patched_below_two_versions_of_another(world: World, podman: Podman) -> None:
    folder = world.examples / "company"
    printed = world.fpack("run", "fpack.fp#set.apps.terminal", cwd=folder, timeout=600).stdout.splitlines()
    assert {"  base-tls 1.1.1", "    base-tls 3.2.0", "    base-hash 8.6.3"} <= set(printed)
    world.fpack("pack", cwd=folder, timeout=300)
    patched = podman.run(podman.load(folder / "apps-terminal.tar")).stdout.splitlines()
    assert patched == [line.replace("8.6.3", "8.6.3, hardened") for line in printed]


def test_a_service_of_many_has_its_code_and_its_configuration(world: World, podman: Podman) -> None:
    folder = world.examples / "monorepo"
    world.fpack("pack", cwd=folder, timeout=600)
    image = podman.load(folder / "cart.tar")
    port = free_port()
    container = podman.start(image, options=["-e", f"PORT={port}", "-e", "HOST=127.0.0.1"], network="host")
    told = json.loads(_page(f"http://127.0.0.1:{port}/", container.logs))
    assert told == {"service": "cart", "asks": ["catalog", "pricing", "session"], "stage": "production"}
    container.stop()


CMAKE_LIBRARY = """
cmake_minimum_required(VERSION 3.16)
project(greet C)
add_library(greet SHARED greet.c)
install(TARGETS greet EXPORT greetTargets)
install(FILES greet.h DESTINATION include)
install(EXPORT greetTargets NAMESPACE greet:: DESTINATION lib/cmake/greet FILE greetConfig.cmake)
"""
CMAKE_PROGRAMS = """
cmake_minimum_required(VERSION 3.16)
project(app C)
find_package(greet REQUIRED)
add_executable(by-target main.c)
target_link_libraries(by-target greet::greet)
add_executable(by-name main.c)
target_link_libraries(by-name greet)
install(TARGETS by-target by-name)
enable_testing()
add_test(NAME target COMMAND by-target)
add_test(NAME name COMMAND by-name)
"""


def test_a_cmake_program_finds_a_built_library_in_its_tests_and_when_it_is_installed(
    world: World, tmp_path: Path
) -> None:
    files = {
        "lib/CMakeLists.txt": CMAKE_LIBRARY,
        "lib/greet.h": "const char *greet(void);\n",
        "lib/greet.c": 'const char *greet(void) { return "hello"; }\n',
        "app/CMakeLists.txt": CMAKE_PROGRAMS,
        "app/main.c": "#include <stdio.h>\n#include <greet.h>\nint main(void) { return puts(greet()) < 0; }\n",
        "fpack.fp": 'greet = cmake { name = "greet", source = ./lib }\n'
        'app = cmake { name = "app", source = ./app, libs = [greet] }\n',
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    for program in ("by-target", "by-name"):
        assert world.fpack("run", "app", "--", program, cwd=tmp_path, timeout=600).stdout == "hello\n"


def _paths(manifest: Path) -> list[str]:
    """Return the store paths that lie under /fpack/store in an image."""
    layers = json.loads(manifest.read_text())["layers"]
    return sorted({path for layer in layers for path, prefix in layer["parts"] if prefix})


def test_a_comment_rebuilds_a_library_and_nothing_above_it_and_code_its_dependents(world: World) -> None:
    folder = world.examples / "libraries"
    source = folder / "shape/shape.c"
    code = source.read_text()
    before = world.built("libraries", "show")
    try:
        source.write_text(f"/* A comment, which changes no instruction. */ {code}")
        assert world.rebuilt("libraries", "show") == {"shape-1.2"}
        assert world.built("libraries", "show") == before
        source.write_text(code.replace("sqrt(a * a + b * b)", "fabs(a) + fabs(b)").replace("double a", "double a "))
        (folder / "shape/test.c").write_text("int main(void) { return 0; }\n")
        (folder / "wave/test.c").write_text("int main(void) { return 0; }\n")
        (folder / "show/Makefile").write_text((folder / "show/Makefile").read_text().replace('= "5: ~_~_~"', '!= ""'))
        assert world.rebuilt("libraries", "show") == {"shape-1.2", "wave-0.3", "show-1.0"}
        assert world.built("libraries", "show") != before
    finally:
        shutil.rmtree(folder)
        shutil.copytree(EXAMPLES / "libraries", folder, ignore=LEFT_BY_USERS)


@pytest.mark.parametrize(
    ("example", "name", "user"), [("flask", "greeter", 33), ("node", "greeter", 33), ("go", "greeter", 65532)]
)
def test_a_web_server(world: World, podman: Podman, example: str, name: str, user: int) -> None:
    folder = world.examples / example
    world.fpack("pack", cwd=folder, timeout=900)
    image = podman.load(folder / f"{name}.tar")
    _locked_packages_are_sources(folder, name, {"flask": "pypi", "node": "npm"}.get(example))
    port = free_port()
    # gunicorn takes the place to listen at from its command line alone.
    options, words = ["-e", f"PORT={port}"], []
    if example == "flask":
        options = ["-e", f"GUNICORN_CMD_ARGS=--bind=127.0.0.1:{port}", "--entrypoint", ""]
        entrypoint = json.loads(podman("image", "inspect", image, "-f", "{{json .Config.Entrypoint}}").stdout)
        words = [word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in entrypoint]
    container = podman.start(image, *words, options=options, network="host")
    assert _page(f"http://127.0.0.1:{port}/", container.logs) == f"Hello from user {user}\n"
    container.stop()


def _locked_packages_are_sources(folder: Path, name: str, kind: str | None) -> None:
    """Check that the manifest has each package of the language's own lock, with its hashes."""
    if kind is None:
        return
    sources = json.loads((folder / f"{name}.manifest.json").read_text())["sources"]
    found = {hash_ for each in sources if each["kind"] == kind for hash_ in each["hashes"]}
    if kind == "npm":
        lock = json.loads((folder / "src/package-lock.json").read_text())["packages"].values()
        wanted = {each["integrity"] for each in lock if "integrity" in each and not each.get("dev")}
    else:
        wanted = set(re.findall(r"sha256:[0-9a-f]{64}", (folder / "requirements.txt").read_text()))
    assert found == wanted


def _page(url: str, logs: object) -> str:
    end = time.monotonic() + WAIT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            assert time.monotonic() < end, logs() if callable(logs) else ""
            time.sleep(0.1)


@pytest.mark.long
def test_redis(world: World, podman: Podman) -> None:
    folder = world.examples / "redis"
    world.fpack("pack", cwd=folder, timeout=1800)
    image = podman.load(folder / "redis.tar")
    container = podman.start(image, "--port", "0", "--unixsocket", "/tmp/redis")
    container.wait_for("Ready to accept connections")
    client = podman("exec", container.name, _redis_client(podman, image), "-s", "/tmp/redis", "ping")
    assert client.stdout == "PONG\n"
    container.stop()


def _redis_client(podman: Podman, image: str) -> str:
    server: str = json.loads(podman("image", "inspect", image, "-f", "{{json .Config.Entrypoint}}").stdout)[0]
    return server.replace("redis-server", "redis-cli")


# ---- built again


# postgres has a test of its own.
SHORT = ("c-hello", "libraries")
LONG = ("autotools", "company", "first", "flask", "go", "monorepo", "node", "patched", "redis", "ruby", "rust")
LONG += ("web-postgres", "php", "java")


def test_no_example_is_left_out() -> None:
    assert {place.name for place in EXAMPLES.iterdir()} == {*SHORT, *LONG, "postgres", "matrix"}


@pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be had by root")
@pytest.mark.parametrize("example", [*SHORT, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)])
def test_it_is_the_same_elsewhere(world: World, other: World, example: str) -> None:
    here = world.built(example, "image", timeout=1800)
    _lock_as_here(other, world, example)
    there = other.built(example, "image", timeout=1800)
    assert _files(other, there) == _files(world, here)
    assert there == here


@pytest.fixture(scope="module")
def other() -> Iterator[World]:
    """Yield another machine, with a store of its own that the examples share."""
    with public_directory("elsewhere") as place:
        made = World(place, prefix=elsewhere(place))
        subprocess.run(["chown", "-R", str(NOBODY), str(place)], check=True)
        yield made


def _lock_as_here(other: World, world: World, example: str) -> None:
    """Copy the lock, as it lies beside a project that is shared."""
    copy = Path(shutil.copy(world.examples / example / "fpack.lock", other.examples / example))
    os.chown(copy, NOBODY, NOBODY)


def _files(world: World, path: str) -> dict[str, object]:
    """Return the files of a store path's tree, by path, so that an assertion shows which ones differ."""
    tree = Path(world.fpack.env["FPACK_ROOT"]) / "store" / path.rpartition("/")[2]
    return {
        str(each.relative_to(tree)): os.readlink(each)
        if each.is_symlink()
        else (each.stat().st_mode, hashlib.sha256(each.read_bytes()).hexdigest())
        for each in sorted(tree.rglob("*"))
        if each.is_symlink() or each.is_file()
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be had by root")
def test_elsewhere_is_another_year_with_other_cores(world: World, other: World) -> None:
    script = 'install = "mkdir $out; date +%Y >$out/year; nproc >$out/cores"'
    with open(world.examples / "c-hello/fpack.fp", "a") as file:
        file.write(f'told = package {{ name = "told", {script} }}\n')
    here = _told(world)
    _lock_as_here(other, world, "c-hello")
    shutil.copy(world.examples / "c-hello/fpack.fp", other.examples / "c-hello")
    there = _told(other)
    assert int(there["year"]) > int(here["year"]) + 5
    assert there["cores"] == "1" and here["cores"] == str(len(os.sched_getaffinity(0)))


def _told(world: World) -> dict[str, str]:
    path = world.built("c-hello", "told")
    place = Path(world.fpack.env["FPACK_ROOT"]) / "store" / path.rpartition("/")[2]
    return {each.name: each.read_text().strip() for each in place.iterdir()}
