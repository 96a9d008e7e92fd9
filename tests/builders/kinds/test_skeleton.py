"""The kind `skeleton`: what of a source its dependencies depend on."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.kinds.skeleton import SkeletonBuilder
from fpack.builders.protocol import BuildError
from fpack.store.files.writer import TreeWriter
from support.growth import check_linear
from support.stores.task import FakeStore

GO = {
    "go.mod": "module example.org/app // ours\n\ngo 1.24\n\n"
    "require (\n\texample.org/app/api v1.2.0\n\tgolang.org/x/text v0.3.0\n)\n",
    "go.sum": "x",
    "main.go": '// Package main\npackage main\n\nimport (\n\t"fmt"\n\n'
    '\tt "golang.org/x/text/language"\n\t_ "example.org/app/api/v1"\n'
    '\t"example.org/app/internal/own"\n)\nimport "C"\nimport . `os`; import "io"\n\nvar x = "import \\"net/http\\""\n',
    "main_test.go": 'package main\nimport ("fmt"; "testing")\n',
    "testdata/x.go": 'package x\nimport "net"\n',
    "_old/x.go": 'package x\nimport "net"\n',
    "vendor/modules.txt": "# golang.org/x/text v0.3.0\n",
    "vendor/golang.org/x/text/language/l.go": 'package language\nimport "unsafe"\n',
    "README": "x",
}
RUST = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "1.0.0"\nbuild = "make.rs"\n[lib]\npath = "code/own.rs"\n'
    '[workspace]\nmembers = ["tool"]\n',
    "Cargo.lock": '[[package]]\nname = "app"\nversion = "1.0.0"\n\n[[package]]\nname = "forked"\nversion = "1.0.0"\n\n'
    '[[package]]\nname = "regex"\nversion = "1.0.0"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\n',
    ".cargo/config.toml": "[build]\n",
    "make.rs": "fn main() { println!(); }\n",
    "code/own.rs": "pub fn f() {}\n",
    "src/main.rs": "fn main() { f() }\n",
    "src/other.rs": "x",
    "tests/t.rs": "x",
    "tool/Cargo.toml": '[package]\nname = "a-tool"\nversion = "1.0.0"\n',
    "tool/src/bin/one/main.rs": "x",
    "tool/src/bin/two.rs": "x",
    "vendor/regex/src/lib.rs": "pub fn r() {}\n",
    "vendor/regex/Cargo.toml": '[package]\nname = "regex"\n',
}
NODE = {"package.json": "{}", "package-lock.json": "{}", "server.js": ""}


def skeleton(folder: Path, files: dict[str, str], **args: str) -> dict[str, str]:
    """Build the skeleton of a source, and return its files."""
    store = FakeStore(folder)
    writer = TreeWriter(store.pool, store.fresh())
    for path, text in files.items():
        writer.file(path, [text.encode()])
    source = store.add("src", writer)
    made = store.disk(store.build(SkeletonBuilder(), "skeleton", {"source": str(source), **args}))
    return {str(path.relative_to(made)): path.read_text() for path in made.rglob("*") if path.is_file()}


def test_a_go_skeleton_has_module_files_vendor_and_what_is_imported_from_elsewhere(tmp_path: Path) -> None:
    made = skeleton(tmp_path, GO, language="go")
    assert made.pop(".fpack/imports") == "example.org/app/api/v1\nfmt\ngolang.org/x/text/language\nio\nos\n"
    assert made.pop(".fpack/test-imports") == "testing\n"
    kept = ("go.mod", "go.sum", "vendor/modules.txt", "vendor/golang.org/x/text/language/l.go")
    assert made == {path: GO[path] for path in kept}


def test_a_node_skeleton_has_what_npm_reads(tmp_path: Path) -> None:
    kept = {"package.json": "{}", "package-lock.json": "{}", ".npmrc": "a=b"}
    more = {"server.js": "", "packages/a/package.json": "{}"}
    assert skeleton(tmp_path / "a", {**kept, **more}, language="node") == kept
    # An empty file may be a symlink to any other one.
    assert skeleton(tmp_path / "b", {**kept, **more, ".npmrc": ""}, language="node") == {**kept, **more, ".npmrc": ""}


def test_a_rust_skeleton_has_manifests_and_crates_and_empty_targets(tmp_path: Path) -> None:
    made = skeleton(tmp_path, RUST, language="rust")
    assert made.pop(".fpack/crates") == "a-tool\napp\nforked\n"
    stubs = {path for path, text in made.items() if text == "fn main() {}\n"}
    assert stubs == {
        "make.rs", "code/own.rs", "src/main.rs", "tests/t.rs", "tool/src/bin/one/main.rs", "tool/src/bin/two.rs",
    }  # fmt: skip
    kept = ("Cargo.toml", "Cargo.lock", ".cargo/config.toml", "tool/Cargo.toml", "vendor/regex/src/lib.rs")
    assert {path: made[path] for path in made if path not in stubs} == {
        path: RUST[path] for path in (*kept, "vendor/regex/Cargo.toml")
    }


@pytest.mark.parametrize(
    ("language", "files", "edited", "changed"),
    [
        ("go", GO, {"main.go": GO["main.go"] + "// more\nfunc f() {}\n"}, False),
        ("go", GO, {"other.go": 'package main\n\nimport "net"\n'}, True),
        ("go", GO, {"go.sum": "y"}, True),
        ("go", GO, {"vendor/golang.org/x/text/language/l.go": "package language\n"}, True),
        ("rust", RUST, {"src/main.rs": "fn main() {}\n// more\n", "src/new.rs": ""}, False),
        ("rust", RUST, {"src/bin/new.rs": ""}, True),
        ("rust", RUST, {"vendor/regex/src/lib.rs": "x"}, True),
        ("rust", RUST, {"Cargo.lock": ""}, True),
        ("node", NODE, {"server.js": "// more\n", "new.js": ""}, False),
        ("node", NODE, {"package.json": '{"name": "x"}'}, True),
    ],
)
def test_only_a_change_of_dependencies_changes_a_skeleton(
    tmp_path: Path, language: str, files: dict[str, str], edited: dict[str, str], changed: bool
) -> None:
    before = skeleton(tmp_path / "a", files, language=language)
    assert (skeleton(tmp_path / "b", {**files, **edited}, language=language) != before) == changed


def test_a_source_that_is_wrong_is_left_to_its_build(tmp_path: Path) -> None:
    assert skeleton(tmp_path / "a", {"x.go": "\0 no go"}, language="go") == {
        ".fpack/imports": "", ".fpack/test-imports": "",
    }  # fmt: skip
    made = skeleton(tmp_path / "b", {"Cargo.toml": "= wrong", "src/main.rs": "x"}, language="rust")
    assert made == {"Cargo.toml": "= wrong", "src/main.rs": "fn main() {}\n", ".fpack/crates": ""}
    with pytest.raises(BuildError, match="no skeleton of the language 'ada'"):
        skeleton(tmp_path / "c", {"x": ""}, language="ada")


@pytest.mark.parametrize(("before", "repeated"), [("module", "\n"), ("module x\n", ".a"), ("module x\nrequire", "\n")])
def test_a_go_module_file_is_read_in_time_in_proportion_to_it(tmp_path: Path, before: str, repeated: str) -> None:
    def read(size: int) -> None:
        text = before + repeated * (size // len(repeated))
        skeleton(tmp_path / f"{size}", {"go.mod": text, "vendor/modules.txt": "#"}, language="go")

    check_linear(read)
