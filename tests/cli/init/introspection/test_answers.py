"""The answers of build systems are read as they print them, and as strangers' data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from fpack.cli.init.introspection.answers import FUNCTIONS, read_answer
from fpack.cli.init.introspection.targets import MAX_TARGETS, BuildTargets

OUT = "/fpack/store/xnhyypknaaj9b4cvcn1fcy28ccmpvxxg-wave-1"


def _target(name: str, kind: str, destination: str | None, disk: str = "") -> dict[str, object]:
    install = {"prefix": {"path": OUT}, "destinations": [{"path": destination}]} if destination else None
    return {"name": name, "type": kind, "nameOnDisk": disk or name, **({"install": install} if install else {})}


def _crate(folder: str, *targets: tuple[str, str]) -> dict[str, object]:
    return {
        "manifest_path": f"/build/source/{folder}/Cargo.toml".replace("/./", "/"),
        "targets": [{"name": name, "kind": [kind]} for name, kind in targets],
    }


AUTOMAKE = f"""\
make[1]: Entering directory '/build/source'
 /usr/bin/mkdir -p '{OUT}/bin'
list='src/wave tools/tide'; test -n "{OUT}/bin" || list=; for p in $list; do echo "$p"; done
list='libwave.la'; test -n "{OUT}/lib" || list=; \\
 for p in $list; do :; done
list='wave.1'; test -n "{OUT}/share/man/man1" || list=; :
"""
# Rules that install are not printed if what they install comes from another directory's rules.
DATABASES = """\
# Make data base, printed on Sun Nov 29 2026
lib_LTLIBRARIES = libwave.la
noinst_PROGRAMS = never$(EXEEXT)
# Make data base, printed on Sun Nov 29 2026
am__EXEEXT_1 = piv-tool$(EXEEXT)
am__EXEEXT_2 =
bin_PROGRAMS = wave-tool$(EXEEXT) $(am__EXEEXT_1) $(am__EXEEXT_2) $(other)
dist_sbin_SCRIPTS = sh/waved
"""
PLAIN = """\
install -d /build/staged/usr/bin
install -m 755 wave /build/staged/usr/bin
install -Dm755 wave.sh /build/staged/usr/sbin/waved
for f in one two; do install -m 755 $f /build/staged/usr/bin/$f; done
cp -a libwave.so.1 /build/staged/usr/lib/
cp 'un closed /usr/bin
ln -sf wave /build/staged/usr/bin/ripple && echo done > /usr/bin/log
install -t /build/staged/usr/bin three four
gcc -o /usr/bin/no x.c
install -m 644 wave.1 /build/staged/usr/share/man/man1/wave.1
"""
CASES: Mapping[str, tuple[str, Mapping[str, object], BuildTargets]] = {
    "CMake": (
        "cmake",
        {
            "codemodel-v2-1.json": {},
            "target-wave-1.json": _target("wave", "EXECUTABLE", "bin"),
            "target-tide-1.json": _target("tide", "EXECUTABLE", f"{OUT}/sbin", "tided"),
            "target-own-1.json": _target("own", "EXECUTABLE", None),
            "target-lib-1.json": _target("lib", "SHARED_LIBRARY", "lib"),
            "directory-1.json": {"installers": [
                {"type": "file", "destination": "bin", "paths": ["scripts/wave-it", {"from": "a", "to": "b.sh"}]},
                {"type": "file", "destination": "share", "paths": ["c"]},
            ]},
            "tests.json": {"tests": [{"name": "one"}, {"name": "two\n"}]},
        },
        BuildTargets(("sbin/tided", "bin/wave", "bin/wave-it", "bin/b.sh"), True, ("one",)),
    ),
    "Meson": (
        "meson",
        {"meson.json": {
            "targets": [
                {"type": "executable", "installed": True, "install_filename": [f"{OUT}/bin/wave"]},
                {"type": "executable", "installed": False, "install_filename": [f"{OUT}/bin/test"]},
                {"type": "shared library", "installed": True, "install_filename": [f"{OUT}/lib/libwave.so"]},
            ],
            "install_plan": {"data": {"/build/source/w.sh": {"destination": "{bindir}/w.sh"}, "x": {"destination": 3}}},
            "tests": [{"name": "one"}],
        }},
        BuildTargets(("bin/wave", "bin/w.sh"), True, ("one",)),
    ),
    "Go": (
        "go",
        {"go.json": "\n".join(json.dumps(package) for package in (
            {"ImportPath": "example.org/w", "Name": "w", "Dir": "/build/source", "TestGoFiles": ["w_test.go"]},
            {"ImportPath": "example.org/w/cmd/wave", "Name": "main", "Dir": "/build/source/cmd/wave",
             "Module": {"Dir": "/build/source"}},
            {"ImportPath": "example.org/w/tide/v2", "Name": "main", "Dir": "/build/source/tide",
             "Module": {"Dir": "/build/source"}},
        ))},
        BuildTargets(("bin/wave", "bin/tide"), False, ("example.org/w",), (("cmd/wave", "wave"), ("tide", "tide"))),
    ),
    "Cargo": (
        "rust",
        {"cargo.json": {"workspace_root": "/build/source", "packages": [
            _crate("core", ("core", "lib")), _crate("cli", ("wave", "bin"), ("all", "test")), _crate("x", ("b", "x")),
        ]}},
        BuildTargets(("bin/wave",), True, ("all",), (("cli", "wave"),)),
    ),
    "automake": (
        "autotools",
        {"install.txt": AUTOMAKE, "rules.txt": "TESTS = a.test b.test$(EXEEXT)\ncheck: x\n", "prefix.txt": f"{OUT}\n"},
        BuildTargets(("bin/wave", "bin/tide"), True, ("a.test",)),
    ),
    "automake, by its lists": (
        "autotools",
        {"install.txt": "", "rules.txt": DATABASES, "prefix.txt": f"{OUT}\n"},
        BuildTargets(("bin/wave-tool", "bin/piv-tool", "sbin/waved"), True),
    ),
    "make": (
        "make",
        {"install.txt": PLAIN, "rules.txt": "wave: wave.c\ntest: wave\n", "prefix.txt": f"{OUT}\n"},
        BuildTargets(
            ("bin/wave", "sbin/waved", "bin/one", "bin/two", "bin/ripple", "bin/three", "bin/four"), True,
            ("make test",),
        ),
    ),
}  # fmt: skip


def _write(directory: Path, files: Mapping[str, object]) -> Path:
    for name, content in files.items():
        (directory / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return directory


@pytest.mark.parametrize("name", CASES)
def test_an_answer(name: str, tmp_path: Path) -> None:
    function, files, expected = CASES[name]
    assert read_answer(function, _write(tmp_path, files)) == expected


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "[" * 100_000, '{"targets": 1, "packages": [3]}', "\0"])
def test_damaged_answers_say_nothing(function: str, text: str, tmp_path: Path) -> None:
    names = ("meson.json", "go.json", "cargo.json", "target-x.json", "directory-x.json", "tests.json")
    found = read_answer(function, _write(tmp_path, dict.fromkeys(names, text)))
    assert found is None or found == BuildTargets()


def test_an_answer_is_not_read_through_links_and_its_lists_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"targets": []}')
    (tmp_path / "answer").mkdir()
    (tmp_path / "answer/meson.json").symlink_to("../secret")
    assert read_answer("meson", tmp_path / "answer") is None
    many = [{"type": "executable", "installed": True, "install_filename": [f"{OUT}/bin/p{n}"]} for n in range(3000)]
    (tmp_path / "many").mkdir()
    found = read_answer("meson", _write(tmp_path / "many", {"meson.json": {"targets": many}}))
    assert found is not None and len(found.programs) == MAX_TARGETS
    odd = [
        {"type": "executable", "installed": True, "install_filename": [f"{OUT}/bin/{n}"]} for n in ('a"]', "..", "b")
    ]
    (tmp_path / "odd").mkdir()
    found = read_answer("meson", _write(tmp_path / "odd", {"meson.json": {"targets": odd}}))
    assert found is not None and found.programs == ("bin/b",)
