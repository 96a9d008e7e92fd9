"""PostgreSQL built from its own source: evaluated here, and with -m long built, packed, measured and built again.

What its images do in podman is asked where the same is asked of Debian's, in tests/images/test_postgres.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.paths import REPOSITORY
from support.processes.elsewhere import NOBODY, elsewhere
from support.processes.people import public_directory
from support.processes.program import Fpack

EXAMPLE = REPOSITORY / "examples" / "postgres"
HOUR = 3600

pytestmark = pytest.mark.network


class World:
    """A copy of the example, and an fpack with a store of its own. prefix: what the program is run by."""

    def __init__(self, place: Path, prefix: tuple[str, ...] = ()) -> None:
        self.fpack = Fpack(place / "home", prefix=prefix)
        self.fpack.use_mirrors_of_the_machine()
        self.folder = place / "postgres"
        shutil.copytree(EXAMPLE, self.folder, ignore=shutil.ignore_patterns("*.lock", "*.tar", "result"))

    def evaluated(self, expression: str) -> Any:
        """Return the value of an expression in the example's file."""
        shutil.copy(EXAMPLE / "fpack.fp", self.folder / "asked.fp")
        with open(self.folder / "asked.fp", "a") as file:
            file.write(f"\nasked = {expression}\n")
        lock = ("--lock", self.folder / "fpack.lock")
        return json.loads(self.fpack("eval", "asked.fp#asked", "--json", *lock, cwd=self.folder, timeout=300).stdout)

    def built(self, what: str) -> str:
        """Return the store path that something comes to."""
        done = self.fpack("build", what, "--no-link", "--json", cwd=self.folder, timeout=2 * HOUR)
        path: str = json.loads(done.stdout)["path"]
        return path

    def store(self, path: str) -> Path:
        """Return the path on disk of a store path."""
        return self.fpack.home / "store" / "store" / path.rpartition("/")[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("postgres"))


# ---- what is evaluated alone


def test_icu_is_an_option_of_the_server(world: World) -> None:
    both = world.evaluated(
        "[{ flags = s.configure, libs = [l.name for l in s.libs] } for s in [server, server.with { icu = false }]]"
    )
    assert "--with-icu" in both[0]["flags"] and "--with-libxml" in both[0]["flags"]
    assert "--without-icu" in both[1]["flags"] and "--with-libxml" not in both[1]["flags"]
    assert set(both[0]["libs"]) - set(both[1]["libs"]) == {"libicu-dev", "libxml2-dev"}


def test_its_images_are_set_up_as_debians(world: World) -> None:
    fields = ["entrypoint", "command", "user", "ports", "volumes", "stop-signal", "directories"]
    listed = ", ".join(f'"{name}"' for name in fields)
    ours, theirs, plain = world.evaluated(
        f"[{{ ${{n}} = get(i, n) for n in [{listed}] if has(i, n) }} for i in [image, curated, image-without-icu]]"
    )
    assert ours == theirs == plain and ours["entrypoint"] == ["docker-entrypoint.sh"]
    environment = world.evaluated("image.env")
    assert environment["PG_VERSION"] == "17.11"
    assert environment["PATH"].endswith(":/usr/lib/postgresql/17/bin")
    packages = world.evaluated("[p.name for p in image.packages]")
    assert packages[0] == "postgresql" and not any(name.startswith("postgresql-") for name in packages)


# ---- what takes minutes


@pytest.mark.long
def test_its_own_tests_ran(world: World) -> None:
    server = world.built("server")
    log = world.fpack("log", "server", cwd=world.folder).stdout
    assert "All 56 tests passed." in log
    programs = {place.name for place in (world.store(server) / "bin").iterdir()}
    assert {"postgres", "psql", "initdb", "pg_dump", "pg_basebackup"} <= programs and len(programs) == 36
    # What only extensions are compiled with is in `dev`, and `out` does not mention it.
    assert not (world.store(server) / "include").exists() and not list(world.store(server).rglob("*.a"))


@pytest.mark.long
@pytest.mark.parametrize(
    ("what", "level", "limit"),
    [
        ("image", None, 29_000_000),
        ("image-without-icu", None, 15_000_000),
        ("image", 19, 25_000_000),
        ("image-without-icu", 19, 13_000_000),
    ],
)
def test_its_images_are_small_and_what_their_manifests_say(
    world: World, tmp_path: Path, what: str, level: int | None, limit: int
) -> None:
    options = ["--compress", f"zstd:{level}"] if level else []
    tar = tmp_path / "image.tar"
    packed = world.fpack.pack(f"fpack.fp#{what}", "-o", tar, *options, cwd=world.folder, timeout=2 * HOUR)
    assert packed["size_compressed"] <= limit
    world.fpack("verify", tar, cwd=world.folder, timeout=HOUR)
    manifest = json.loads((tmp_path / "image.manifest.json").read_text())
    paths = {entry["path"] for layer in manifest["layers"] for entry in layer["entries"]}
    assert any(path.endswith("/bin/postgres") for path in paths)
    assert any("libicudata" in path for path in paths) == (what == "image")
    assert not any(path.endswith((".h", ".a")) or "/cc1" in path or "/pgxs/" in path for path in paths)


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be had by root")
def test_it_is_the_same_elsewhere(world: World) -> None:
    here = world.built("image")
    with public_directory("elsewhere") as place:
        other = World(place, prefix=elsewhere(place))
        shutil.copy(world.folder / "fpack.lock", other.folder)
        subprocess.run(["chown", "-R", str(NOBODY), str(place)], check=True)
        assert other.built("image") == here


@pytest.mark.long
def test_an_extension_is_compiled_with_it(world: World) -> None:
    (world.folder / "extension").mkdir()
    for name, text in EXTENSION.items():
        (world.folder / "extension" / name).write_text(text)
    with open(world.folder / "fpack.fp", "a") as file:
        file.write(PACKAGE)
    path = world.store(world.built("answer"))
    assert (path / "lib" / "answer.so").is_file() and (path / "share/extension/answer.control").is_file()
    # Embedded SQL, whose libraries are in no image of the server: there is none to connect to.
    done = world.fpack("run", "embedded", "--", "embedded", cwd=world.folder, timeout=600, status=1)
    assert "SQL error: could not connect to database" in done.stderr


EXTENSION = {
    "Makefile": "MODULES = answer\nEXTENSION = answer\nDATA = answer--1.sql\n"
    "PGXS = $(shell pg_config --pgxs)\ninclude $(PGXS)\n",
    "answer.control": "default_version = '1'\n",
    "answer--1.sql": "CREATE FUNCTION answer() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;\n",
    "embedded.pgc": "int main(void) {\n  EXEC SQL WHENEVER SQLERROR SQLPRINT;\n"
    "  EXEC SQL CONNECT TO 'x@/nowhere' USER 'x';\n  return sqlca.sqlcode != 0;\n}\n",
    "answer.c": '#include "postgres.h"\n#include "fmgr.h"\nPG_MODULE_MAGIC;\nPG_FUNCTION_INFO_V1(answer);\n'
    "Datum answer(PG_FUNCTION_ARGS) { PG_RETURN_INT32(42); }\n",
}

PACKAGE = """
answer = make {
  name    = "answer"
  source  = ./extension
  libs    = [server]
  build   = "pg_config --includedir-server; make with_llvm=no"
  check   = null
  install = "make install with_llvm=no pkglibdir=$out/lib datadir=$out/share"
}
embedded = make {
  name    = "embedded"
  source  = ./extension
  tools   = [debian.pkgconf]
  libs    = [server]
  build   = "ecpg embedded.pgc; cc -o embedded embedded.c $(pkg-config --cflags --libs libecpg)"
  check   = null
  install = "mkdir -p $out/bin; cp embedded $out/bin"
}
"""
