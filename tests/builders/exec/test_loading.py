"""Built programs load the libraries of `libs`; where they would not, the build fails, or says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from fpack.builders.protocol import BuildError
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.store.path import StorePath
from support.stores.builds import TOOLS, Builds, builds
from support.stores.elves import elf
from support.stores.roots import MERGED, add_root, add_slice, add_tree, host_programs

LIB = "usr/lib/x86_64-linux-gnu"
LOADER = "/lib64/ld-linux-x86-64.so.2"
PYTHON = "usr/bin/python3"


class World:
    """Builds whose root has Debian's libz and libpng, and a built libz."""

    def __init__(self, made: Builds) -> None:
        self.builds = made
        self.zlib = add_tree(
            made.store, "zlib", {"lib/libz.so.1.9": elf(soname="libz.so.1"), "lib/libz.so.1": "libz.so.1.9"}
        )
        own = {
            f"{LIB}/libz.so.1.3": elf(soname="libz.so.1"), f"{LIB}/libz.so.1": "libz.so.1.3",
            f"{LIB}/libpng.so.1": elf("libz.so.1", soname="libpng.so.1"), PYTHON: elf("libz.so.1", interp=LOADER),
        }  # fmt: skip
        tools = {**host_programs(*TOOLS), **own}
        made.root = add_root(made.store, {"all": add_slice(made.store, "all", tools)}, MERGED)

    def build(
        self, files: dict[str, bytes], libs: list[StorePath] | None = None, replacing: Sequence[StorePath] = ()
    ) -> list[str]:
        """Build an output of these files, linked with the built libz. Return the warnings."""
        source = add_tree(self.builds.store, "files", files)
        script = f"cp -r {source} $out; chmod -R u+w $out"
        listed = [self.zlib] if libs is None else libs
        env = {"LIBS": " ".join(map(str, listed))}
        args = {"libs": list(map(str, listed)), "replacing": list(map(str, replacing)), "env": env, "strip": False}
        self.builds.realise(self.builds.drv(script, "app", **args))
        return [line.removeprefix("warning: ") for line in self.builds.recorder.lines if line.startswith("warning: ")]

    def error(self, files: dict[str, bytes]) -> BuildError:
        with pytest.raises(BuildsFailed) as raised:
            self.build(files)
        error = raised.value.failures[0][1]
        assert isinstance(error, BuildError)
        return error

    def app(self, *needed: str, runpath: str = "") -> bytes:
        return elf(*needed, interp=LOADER, runpath=runpath)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with builds(tmp_path_factory.mktemp("loading") / "store") as made:
        yield World(made)


def test_a_program_that_finds_the_built_library_is_fine(world: World) -> None:
    own = f"{world.zlib}/lib"
    assert world.build({"bin/app": world.app("libz.so.1", runpath=own)}) == []
    assert world.build({"bin/app": world.app("libz.so.1", runpath=f"$ORIGIN/../lib:{own}")}) == []
    assert world.build({"bin/app": world.app("libpng.so.1", "libz.so.1", runpath=own)}) == []


@pytest.mark.parametrize("runpath", ["", f"/{LIB}", "/fpack/none", f"$ORIGIN/../lib:/{LIB}"])
def test_a_program_that_would_load_debians_is_an_error(world: World, runpath: str) -> None:
    error = world.error({"bin/app": world.app("libz.so.1", runpath=runpath)})
    assert error.what == "bin/app would not load the libz.so.1 of zlib, which is in `libs`"
    assert f"/{LIB}/libz.so.1.3" in error.why and f"-Wl,-rpath,{world.zlib}/lib" in error.hint


def test_debians_before_the_built_one_in_the_runpath_is_an_error(world: World) -> None:
    assert "would not load" in world.error({"bin/app": world.app("libz.so.1", runpath=f"/{LIB}:{world.zlib}/lib")}).what


def test_a_library_of_the_outputs_is_checked_like_a_program(world: World) -> None:
    error = world.error({"lib/libcore.so.1": elf("libz.so.1", soname="libcore.so.1")})
    assert error.what.startswith("lib/libcore.so.1 would not load")


def test_without_libs_nothing_is_checked(world: World) -> None:
    assert world.build({"bin/app": world.app("libz.so.1")}, []) == []


def test_a_library_that_the_build_brings_itself_is_told(world: World) -> None:
    files = {"bin/app": world.app("libz.so.1", runpath="$ORIGIN/../lib"), "lib/libz.so.1": elf(soname="libz.so.1")}
    assert world.build(files) == ["bin/app loads libz.so.1 of the build itself, and not that of zlib in `libs`"]


def test_a_library_of_the_root_that_loads_debians_is_told(world: World) -> None:
    (line,) = world.build({"bin/app": world.app("libpng.so.1")})
    assert world.builds.recorder.warnings == [f"app: {line}"]
    assert line.startswith(f"bin/app loads /{LIB}/libz.so.1.3 through libpng.so.1, and not the libz.so.1 of zlib")


def test_an_interpreter_that_has_loaded_debians_is_an_error(world: World) -> None:
    extension = {"lib/python3/x.cpython-313-x86_64-linux-gnu.so": elf("libz.so.1", runpath=f"{world.zlib}/lib")}
    error = world.error(extension)
    assert error.what == f"{next(iter(extension))} would not load the libz.so.1 of zlib, which is in `libs`"
    assert error.why.startswith(f"python3 has loaded /{LIB}/libz.so.1.3 before") and "replace = { all = " in error.hint
    # Images of the result give the built library to python3 too, or the module needs another one.
    assert world.build(extension, replacing=[world.zlib]) == []
    assert world.build({"lib/python3/y.cpython-313-x86_64-linux-gnu.so": elf("libc.so.6")}) == []


@pytest.mark.parametrize("text", [b"\0libz.so.1\0", b'[{"soname":["libz.so.1"],"feature":"z"}]'])
def test_a_soname_for_dlopen_that_would_be_debians_is_told(world: World, text: bytes) -> None:
    (line,) = world.build({"bin/app": world.app("libc.so.6") + text})
    assert line.startswith(f"bin/app names libz.so.1, and dlopen would load /{LIB}/libz.so.1.3")
    assert world.build({"bin/app": world.app("libc.so.6", runpath=f"{world.zlib}/lib") + text}) == []
    assert world.build({"bin/app": world.app("libc.so.6") + b"\0mylibz.so.1 libz.so.10\0"}) == []


def test_a_library_that_is_loaded_from_the_store_is_no_reason_for_debians_package(world: World) -> None:
    source = add_tree(world.builds.store, "f", {"app": world.app("libz.so.1", runpath=f"{world.zlib}/lib")})
    args = {"libs": [str(world.zlib)], "env": {"L": str(world.zlib)}, "strip": False}
    (path,) = world.builds.realise(world.builds.drv(f"cp -r {source} $out", "lone", **args))
    assert [p.name for p in world.builds.store.closure([path])] in (["lone", "zlib"], ["zlib", "lone"])
