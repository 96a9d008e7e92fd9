"""The functions and modules of Go programs: real ones in several forms, and bytes that are none."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from fpack.builders.audit.go_programs import GoModule, GoProgram, read, symbol
from support.archives.go_program import Order, go_program

DEP = "gopkg.in/dep.v3"
LIBRARY = """
package dep

import "strings"

type T struct{ n int }

func Used(a string) string { return strings.Repeat(a, len(a)) }
func Unused(a string) string { return strings.Repeat(a, 3*len(a)+1) }
func Inlined(a int) int { return a*a + 1 }
func Generic[X any](a []X) int { n := 0; for range a { n++; println(n) }; return n }
func (t *T) Method(s string) { t.n += len(strings.ToUpper(s)); println(t.n) }
func (t *T) Never(s string) { t.n += len(strings.ToLower(s)); println(t.n) }
func Closure() func() { x := 0; return func() { x++; println(x) } }
"""
MAIN = """
package main

import (
	"os"

	dep "gopkg.in/dep.v3"
)

func Own(a []string) int { return dep.Inlined(len(a)) }

func main() {
	println(dep.Used(os.Args[0]), Own(os.Args), dep.Generic(os.Args), dep.Generic([]int{1, 2}))
	t := &dep.T{}
	t.Method(os.Args[0])
	dep.Closure()()
}
"""
FORMS: dict[str, tuple[list[str], dict[str, str]]] = {
    "stripped": (["-trimpath", "-ldflags=-s -w"], {}),
    "pie": (["-buildmode=pie"], {}),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in Go with a vendored module."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    top = tmp_path_factory.mktemp("go")
    vendored = top / "vendor" / DEP
    vendored.mkdir(parents=True)
    (top / "go.mod").write_text(f"module example.com/app\n\ngo 1.19\n\nrequire {DEP} v3.1.0\n")
    (top / "vendor" / "modules.txt").write_text(f"# {DEP} v3.1.0\n## explicit; go 1.19\n{DEP}\n")
    (vendored / "dep.go").write_text(LIBRARY)
    (top / "main.go").write_text(MAIN)
    return top


def built(source: Path, form: str) -> bytes:
    options, env = FORMS[form]
    more = {"GOFLAGS": "-mod=vendor", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOCACHE": str(source / "cache")}
    subprocess.run(
        ["go", "build", "-o", "app", *options, "."], cwd=source, env={**os.environ, **more, **env}, check=True
    )
    return (source / "app").read_bytes()


@pytest.mark.long  # needs a Go compiler, which nothing else here installs
@pytest.mark.parametrize("form", FORMS)
def test_real_programs(source: Path, form: str) -> None:
    data = built(source, form)
    found = read("usr/bin/app", data)
    assert found is not None and not found.unknown
    assert (found.path, found.main) == ("usr/bin/app", "example.com/app")
    assert GoModule(DEP, "v3.1.0") in found.modules
    names = ("Used", "Inlined", "Generic", "(*T).Method", "T.Method", "Closure")
    assert {symbol(f"{DEP}.{name}") for name in names} <= found.functions
    assert found.functions.isdisjoint(symbol(f"{DEP}.{name}") for name in ("Unused", "(*T).Never", "Nothing"))
    assert "main.Own" in found.functions
    without = read("app", data.replace(b"\xff Go buildinf:", b"\xff no buildinf:"))
    assert without is not None and without.unknown.startswith("it does not tell")
    renamed = read("app", data.replace(b"runtime.main", b"runtime.niam"))
    assert renamed is not None and "runtime" in renamed.unknown


@pytest.mark.long
def test_damaged_programs_are_read_or_unknown(source: Path) -> None:
    """Whatever happens to a program, no function that it has is told to be absent."""
    data = built(source, "stripped")
    choose = random.Random(1)
    for _ in range(60):
        damaged = bytearray(data[: choose.choice([len(data), choose.randrange(64, len(data))])])
        for _ in range(choose.randint(1, 2000)):
            damaged[choose.randrange(4, len(damaged))] = choose.randrange(256)
        found = read("app", bytes(damaged))
        if found is not None and not found.unknown and f"{DEP}.Used".encode() in damaged:
            assert f"{DEP}.Used" in found.functions


def test_what_is_no_go_program() -> None:
    for data in (b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + bytes(1000), b"\xff Go buildinf:" * 10):
        assert read("a", data) is None
    assert read("a", b"\x7fELF" + b"\xff Go buildinf:" * 10) == GoProgram(
        "a", unknown="its function table cannot be read"
    )


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("magic", [0xFFFFFFFA, 0xFFFFFFF0, 0xFFFFFFF1])
def test_tables_of_all_versions_and_machines(order: Order, width: int, magic: int) -> None:
    lines = ["dep\ta\tv1\t", "=>\tb\tv2\t"]
    functions = ["main.main", "gopkg.in/dep%2ev3.(*T).M.func1"]
    found = read("app", go_program(functions, lines, magic=magic, width=width, order=order))
    modules = (GoModule("example.com/app", "(devel)"), GoModule("a", "v1", True), GoModule("b", "v2", True))
    assert found is not None and not found.unknown
    assert (found.main, found.go, found.modules) == ("example.com/app", "go1.99", modules)
    assert {"runtime.main", "main.main", "gopkg.in/dep.v3.T.M", "gopkg.in/dep.v3.T.M.func1"} <= found.functions


def test_tables_that_lie_about_their_size() -> None:
    for magic in (b"\xf1\xff\xff\xff\0\0\1\x08", b"\xff\xff\xff\xf1\0\0\4\4"):
        for word in (b"\xff" * 8, bytes(8), b"\0\0\0\1" * 2, b"\1\0\0\0" * 2):
            found = read("a", b"\x7fELF" + (magic + word * 8) * 100)
            assert found is None or found.unknown


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("net/http.(*Server).Serve", "net/http.Server.Serve"),
        ("gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml.v3.Unmarshal"),
        ("a/b.F[go.shape.int_0]", "a/b.F"),
        ("a/b.(*T[go.shape.[]int]).M", "a/b.T.M"),
        ("vendor/golang.org/x/net/idna.New", "golang.org/x/net/idna.New"),
        ("a[[[[", "a[[[["),
    ],
)
def test_names(name: str, wanted: str) -> None:
    assert symbol(name) == wanted
