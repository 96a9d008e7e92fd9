"""Test how `fpack init` finds programs, libraries, C code and newer versions of Go in Go modules."""

from __future__ import annotations

import pytest
from fpack.cli.init.go import go
from fpack.cli.init.guess import Guess
from fpack.cli.init.project import Project
from support.growth import check_linear

MODULE = "module example.org/me/tool\n\ngo 1.22\n"


def _guess(files: dict[str, str], name: str = "thing") -> Guess:
    found = go(Project(name, files))
    assert found is not None
    return found


def test_a_program_at_the_top_in_any_file() -> None:
    assert _guess({"go.mod": MODULE, "tool.go": "// Comment.\npackage main\n"}).entrypoint == ["@/bin/tool"]


def test_programs_in_directories() -> None:
    files = {"go.mod": MODULE, "lib.go": "package tool\n", "cmd/a/x.go": "package main\n", "cmd/tool/main.go": ""}
    found = _guess(files)
    assert found.fields == [("packages", '["./cmd/..."]')] and found.entrypoint == ["@/bin/tool"]
    one = _guess({"go.mod": MODULE, "lib.go": "package tool\n", "server/main.go": "package main\n"})
    assert one.fields == [("packages", '["./server"]')] and one.entrypoint == ["@/bin/server"]


def test_examples_are_no_programs() -> None:
    found = _guess({"go.mod": MODULE, "tool.go": "package tool\n", "examples/a/main.go": "package main\n"})
    assert found.entrypoint is None and found.library


def test_a_library_is_compiled_and_has_no_image() -> None:
    found = _guess({"go.mod": MODULE, "tool.go": "package tool\n", "sub/a.go": ""})
    assert found.library and "build" in dict(found.fields)


@pytest.mark.parametrize(
    ("module", "libs"),
    [("github.com/mattn/go-sqlite3", None), ("github.com/google/gopacket", "[debian.libpcap-dev]")],
)
def test_modules_that_need_c(module: str, libs: str | None) -> None:
    found = _guess({"go.mod": f"{MODULE}require {module} v1.0.0\n", "main.go": "package main\n", "go.sum": "x\n"})
    assert dict(found.fields).get("cgo") == "true" and dict(found.fields).get("libs") == libs


def test_a_newer_go_is_offered() -> None:
    found = _guess({"go.mod": MODULE.replace("1.22", "1.99"), "main.go": "package main\n"})
    assert "--release forky" in found.todo[0]
    assert not _guess({"go.mod": MODULE, "main.go": "package main\n"}).todo


OLD = {"a.go": 'package main\n\nimport (\n\t"fmt"\n\t"github.com/me/tool/sub"\n)\n', "sub/b.go": None}


@pytest.mark.parametrize(
    ("files", "path"),
    [
        (OLD, "github.com/me/tool"),
        ({"a.go": 'package main // import "example.org/x/tool"\n'}, "example.org/x/tool"),
        ({"a.go": 'package main\n\nimport "fmt"\n'}, "tool"),
        (
            {"a.go": "package lib\n", "tool/main.go": 'package main\n\nimport "github.com/me/tool"\n'},
            "github.com/me/tool",
        ),
    ],
)
def test_a_project_without_go_mod_has_the_path_of_its_imports(files: dict[str, str], path: str) -> None:
    found = _guess(files, "tool")
    assert dict(found.fields)["module"] == f'"{path}"' and found.todo == []


def test_what_a_project_without_go_mod_imports_from_elsewhere_has_to_be_locked() -> None:
    found = _guess({**OLD, "c.go": 'package main\n\nimport "golang.org/x/net/html"\n'})
    assert found.todo == [
        "write go.mod and go.sum, as it imports html: go mod init github.com/me/tool && go mod tidy "
        "(without Go: in fpack shell debian.trixie.golang-go)"
    ]
    # The owner of a repository is no module.
    other = _guess({"a.go": "package x\n", "x/main.go": 'package main\nimport "github.com/me/x"\n'})
    assert dict(other.fields)["module"] == '"thing"' and other.todo


def test_modules_without_go_sum_have_to_be_locked() -> None:
    found = _guess({"go.mod": f"{MODULE}\nrequire example.org/y v1.0.0\n", "main.go": "package main\n"})
    assert found.todo == ["lock the modules: go mod tidy (without Go: in fpack shell debian.trixie.golang-go)"]
    assert dict(found.fields)["lock"] == "./go.sum"


def test_a_go_file_below_is_no_project_of_go() -> None:
    assert go(Project("tool", {"tools/gen/main.go": "package main\n", "setup.py": ""})) is None
    assert go(Project("tool", {"testdata/a.go": "package main\n"})) is None


PING = 'package main\n\nfunc main() { http.ListenAndServe(":8080", nil) }\n'


def test_of_several_programs_the_image_runs_the_server() -> None:
    found = _guess({"go.mod": MODULE, "cmd/ctl/main.go": "package main\n", "cmd/served/main.go": PING})
    assert found.entrypoint == ["@/bin/served"] and found.ports == [8080]
    assert "the image runs bin/served, which listens on port 8080" in found.reasons
    assert any("change `entrypoint` to run bin/ctl" in reason for reason in found.reasons)
    assert "./cmd/...: the programs ctl, served" in found.reasons
    named = _guess({"go.mod": MODULE, "cmd/tool/main.go": "package main\n", "cmd/served/main.go": PING})
    assert named.entrypoint == ["@/bin/tool"] and named.ports == []


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ('router.Run("0.0.0.0:9090")', 9090),
        ('port := "3000"\nhttp.ListenAndServe(":"+port, nil)', 3000),
        ('flag.Int("port", 4000, "")\nnet.Listen("tcp", address)', 4000),
        ('http.ListenAndServe(os.Args[1], nil)', None),
        ('http.Get("http://localhost:8080/")\nx := ":8080"', None),
        ('http.ListenAndServe(":99999", nil)', None),
    ],
)  # fmt: skip
def test_ports_of_servers(text: str, port: int | None) -> None:
    assert _guess({"go.mod": MODULE, "main.go": f"package main\n{text}\n"}).ports == ([port] if port else [])


def test_a_server_that_no_other_container_reaches_is_told() -> None:
    for host, local in (("localhost", True), ("127.0.0.1", True), ("", False), ("0.0.0.0", False)):
        text = f'package main\nfunc main() {{ http.ListenAndServe("{host}:8080", nil) }}\n'
        found = _guess({"go.mod": MODULE, "main.go": text})
        assert found.ports == [8080] and ("no other program reaches it" in " ".join(found.reasons)) == local


def test_a_long_name_is_read_in_time_in_proportion_to_it() -> None:
    files = {"go.mod": "module example.org/thing\n"}
    check_linear(lambda size: _guess({**files, "main.go": "package main\nfunc main() {}\n// " + "Port" * (size // 4)}))
