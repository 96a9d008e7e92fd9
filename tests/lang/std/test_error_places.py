"""Errors that the library raises name the user's file and line, also for a value that a helper in another file made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.lang import std
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime.values import evaluated
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node, walk
from support.archives.packages import Everything, Files, Packages

SETTINGS = {
    "arch": "amd64",
    "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"},
    "version": "test",
    "is-licence": lambda text: False,
    "cannot-run": lambda arch: "no emulator runs its programs" if evaluated(arch) == "arm64" else None,
    "machine": "arm64",
    "emulated-by": lambda arch: "amd64" if evaluated(arch) == "sparc64" else None,
}
BASE = f'oci("localhost:5000/base@sha256:{"5" * 64}")'
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
COMPOSER = '{ "packages": [{ "name": "%s", "version": "1", "dist": { "type": "zip", "url": "%s" } }] }'
FILES = {
    "bad.sum": "example.org/a v1.0.0\n",
    "old.json": '{ "lockfileVersion": 1 }',
    "bad.json": "{",
    "loose.txt": "flask>=3\n",
    "no-hash.txt": "flask==3.0.0\n",
    "bad.toml": '[[packages]]\nname = "flask"\nversion = "3"\n',
    "half.txt": f"click==8.1.0 --hash=sha256:{'5' * 64}\nflask==3.0.0\n",
    "range.txt": f"click==8.1.0 --hash=sha256:{'5' * 64}\nflask>=3\n",
    "pylock.toml": 'lock-version = "1.0"\n[[packages]]\nname = "flask"\nversion = "3"\n',
    "crate-name.lock": f'[[package]]\nname = "../a"\nversion = "1.0.0"\nsource = "{CRATES_IO}"\n',
    "crate-version.lock": f'[[package]]\nname = "a"\nversion = "1/0"\nsource = "{CRATES_IO}"\n',
    "crate-git.lock": '[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "git+https://example.org/a#5"\n',
    "crate-sum.lock": f'[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "{CRATES_IO}"\n',
    "gem-git.lock": "GIT\n  remote: https://example.org/a\n  specs:\n    rack (3.0.0)\n",
    "gem-source.lock": "GEM\n  specs:\n    rack (3.0.0)\n",
    "gem-name.lock": "GEM\n  remote: https://rubygems.org/\n  specs:\n    ../rack (3.0.0)\n",
    "gem-sum.lock": "GEM\n  remote: https://rubygems.org/\n  specs:\n    rack (3.0.0)\n",
    "php-name.lock": COMPOSER % ("../a", "https://example.org/a.zip"),
    "php-source.lock": COMPOSER % ("a/b", ""),
    "php-sum.lock": COMPOSER % ("a/b", "https://example.org/a.zip"),
    "php/composer-files.lock": '{ "format": 1, "files": {} }',
    "java/pom.xml": "<project/>",
    "java/maven.lock": '{ "format": 1, "of": "5", "files": {} }',
    "java-path.lock": '{ "format": 1, "of": "", "files": { "../a.jar": { "sha256": "5" } } }',
    "gradle/build.gradle": "",
    "gradle/gradle.lock": '{ "format": 1, "of": "5", "files": {} }',
}

PACKAGES = [
    'make { name, tools = ["gcc"] }',
    "package { name, libs = [5] }",
    "cmake { name, runtime = [null] }",
    "package { name, source = ./missing }",
    "make { name, cross = true, tools = [debian.trixie.gfortran] }",
    "make { name, source = { a = 1 } }",
    "package { name, patches = [./missing] }",
    "package { name, env = { B = null } }",
    "make { name, env = { B = [1] } }",
    'package { name, env = { "a b" = "1" } }',
    "package { name, limits = { days = 1 } }",
    "package { name, limits = { seconds = 0 } }",
    "make { name, flags = [null] }",
    "package { name, tools = [debian.bookworm.gcc], libs = [debian.trixie.zlib1g-dev] }",
    'package { name, meta = { home = "x" } }',
    'package { name, meta = { homepage = "x" } }',
    'package { name, meta = { licence = "x" } }',
    'package { name, meta = { maintainers = ["<"] } }',
    "go { name, lock = ./bad.sum }",
    "node { name, lock = ./old.json }",
    "node { name, lock = ./bad.json }",
    "node { name, lock = ./missing }",
    "python { name, requirements = ./loose.txt }",
    "python { name, requirements = ./no-hash.txt }",
    "python { name, lock = ./bad.toml }",
    'package { name, allowed = ["x"] }',
    'package { name, source = fetch { url = "https://a/b", sha256 = "5" } }',
    "package { name, tools = [debian.trixie.nope] }",
    "package { name, outputs = [5] }",
    "package { name, outputs = [] }",
    "package { name, build = 5 }",
    "(package { name }).with { tools = [name] }",
    '(package { name, outputs = ["out", "dev"] }).dev.with { version = "2" }',
    'package { name, release = "nope" }',
    "package { name, folder = null }",
    'package { name, tools = [debian.trixie.for("arm64").gcc] }',
    'package { name, platform = "linux/arm64" }',
    'package { name, platform = { arch = "sparc64", name = "linux/sparc64" } }',
    'python { name, python = "2.7" }',
    'python { name, python = "3.11", release = "trixie" }',
    "python { name, requirements = ./half.txt }",
    "python { name, requirements = ./range.txt }",
    "python { name, lock = ./pylock.toml }",
    *(f"rust {{ name, lock = ./crate-{fault}.lock }}" for fault in ("name", "version", "git", "sum")),
    "rust { name, source = ./java, lock = ./crate-sum.lock }",
    'go { name, module = "a b" }',
    *(f"ruby {{ name, lock = ./gem-{fault}.lock }}" for fault in ("git", "source", "name", "sum")),
    *(f"php {{ name, lock = ./php-{fault}.lock }}" for fault in ("name", "source", "sum")),
    "php { name, source = ./php, lock = ./php-sum.lock }",
    "maven { name }",
    "maven { name, source = ./gradle }",
    "maven { name, lock = ./old.json }",
    "maven { name, source = ./java }",
    "maven { name, lock = ./java-path.lock }",
    "gradle { name }",
    "gradle { name, source = ./java }",
    "gradle { name, source = ./gradle }",
    "gradle { name, lock = ./java-path.lock }",
]
OTHERS = [
    "container { name, packages = [5] }",
    "container { name, packages = [debian.trixie.dash.payload] }",
    'container { name, packages = ["dash"] }',
    "container { name, packages = [container { name, packages = [debian.trixie.dash] }] }",
    'container { name, packages = [debian.trixie.dash], closure = "all" }',
    "container { packages = [] }",
    "container { name, packages = [debian.trixie.dash, debian.bookworm.gcc] }",
    'container { name, packages = [debian.trixie.dash], configure = { skip = ["nope"] } }',
    'container { name, packages = [debian.trixie.dash], rules = { nope = { drop = ["/x"] } } }',
    'container { name, packages = [debian.trixie.dash, debian.trixie.gcc], setuid = ["/usr/bin/x"] }',
    "container { name, packages = [debian.trixie.dash], ports = [0] }",
    "container { name, packages = [debian.trixie.dash], replace = { dash = 5 } }",
    'container { name, packages = [debian.trixie.dash], replace = { nope = package { name = "a" } } }',
    'container { name, packages = [debian.trixie.dash.with { replace = { dash = package { name = "a" } } }], '
    'replace = { dash = package { name = "b" } } }',
    "container { name, packages = [debian.trixie.dash], labels = { a = null } }",
    "container { name, packages = [debian.trixie.dash], entrypoint = [null] }",
    *(
        f"container {{ name, packages = [debian.trixie.dash], {field} }}"
        for field in [
            'files = { "a" = "x" }',
            'files = { "/a" = 5 }',
            'files = { "/a" = {} }',
            'files = { "/a" = { text = "a", mode = 5 } }',
            'files = { "/a" = { text = "a", mode = "9" } }',
            'files = { "/a" = { text = "a", user = "nope" } }',
            'files = { "/a/" = "x" }',
            'files = { "/a" = ./missing }',
            'directories = { "/a" = 5 }',
            'links = { "/a" = 5 }',
            'files = { "/a" = "x" }, links = { "/a" = "b" }',
            'meta = { cpe = "x" }',
            'users = { a = { uid = "x" } }',
            'users = { "a b" = { uid = 1 } }',
            "users = { a = { uid = 7 }, b = { uid = 7 } }",
        ]
    ),
    'container { name, packages = [debian.trixie.dash, debian.trixie.for("arm64").gcc] }',
    'container { name, packages = [debian.trixie.dash], platform = "arm64", configure = true }',
    'container { name, packages = [debian.trixie.dash], platform = "vax" }',
    'container { name, packages = [debian.trixie.dash], created = "yesterday" }',
    "container { name, packages = [debian.trixie.dash], base = debian.trixie.dash }",
    f"container {{ name, packages = [debian.trixie.dash], configure = true, base = {BASE} }}",
    'container { name, packages = [debian.trixie.dash], base = oci("team/base:1") }',
    f"container {{ name, packages = [debian.trixie.dash], base = {BASE.replace(')', ', hides = [5])')} }}",
    "container { name, packages = [debian.trixie.for(5).dash] }",
    '(debian.trixie.dash.with { deb = text("a", "x") }).for("arm64").deb',
    'fetch { sha256 = "" }',
    'fetch { url = "x" }',
    'fetch { url = "https://a/b", size = -1 }',
    'fetch { url = "https://a/b", sha256 = "5" }',
    'fetch { url = "https://a/b", sha512 = "5" }',
    *(
        f'fetch {{ url = "https://a/b", sha256 = "{"5" * 64}", auth = {auth} }}'
        for auth in ('"x"', '{ user = "a", password = "x" }', '{ user = 5, password = secret("A") }')
    ),
    'import("fpack/introspection").answers("python", make { name })',
    "shell { name, packages = [5] }",
    "shell { include = [5] }",
    "shell { services = { a = 5 } }",
    'shell { services = { "a b" = service { start = "x" } } }',
    "shell { env = { B = null } }",
    "shell { packages = [debian.trixie.dash, debian.bookworm.gcc] }",
    "shell { hook = 5 }",
    'service { start = "x", ports = [0] }',
    'service { start = "x", packages = [5] }',
    'import("fpack/lists").last([])',
    'import("fpack/lists").chunks([1], 0)',
    'import("fpack/versions").newest([])',
    'import("fpack/versions").newest-debian([])',
    'import("fpack/versions").newest(["x"])',
    'import("fpack/versions").satisfies("1.0.0", "~~")',
    'import("fpack/versions").compare-debian("!", "1")',
    'import("fpack/versions").compare-upstream("-", "1")',
    'import("fpack/users").nope',
    'import("fpack/nope")',
    'text("a b", "x")',
    'text("a", null)',
]
CASES = [*PACKAGES, *OTHERS]


class Known(Everything):
    """Has every package but two."""

    def package(self, release: str, name: str, arch: str = "") -> dict[str, Any]:
        missing = name in ("nope", "gfortran-x86-64-linux-gnu")
        return Packages().package(release, "nope") if missing else super().package(release, name, arch)


def raised(directory: Path, cache: Path, expression: str, user: str = "value") -> EvalError:
    """Evaluate an expression that stands in a function of another file, and return its error."""
    helper = f'debian = import("fpack/debian")\n\n# the line of the call\nmade(name) = {expression}\n'
    (directory / "lib/helper.fp").write_text(helper)
    (directory / "fpack.fp").write_text(
        'value = import("./lib/helper.fp").made("app")\n'
        'image = container { name = "i", tag = "1", packages = [value], closure = "linked" }\n'
        "inside = shell { packages = [value] }\n"
        'above = package { name = "above", libs = [value], tools = [value] }\n'
    )
    evaluator = Evaluator(root=directory, cache=cache, packages=Known(), sources=Files(), settings=SETTINGS)
    with pytest.raises(EvalError) as caught:
        value = evaluator.select(evaluator.load(directory / "fpack.fp"), [user])
        evaluator.to_json(value)
        evaluator.force(value, deep=True)
    return caught.value


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (directory / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / "lib" / name).write_text(text)
    return directory


class Errors(dict[str, EvalError]):
    """The errors of the cases that were asked for."""

    def __init__(self, project: Path, cache: Path) -> None:
        self._project = project
        self._cache = cache

    def __missing__(self, case: str) -> EvalError:
        self[case] = error = raised(self._project, self._cache, case)
        return error


@pytest.fixture(scope="module")
def errors(project: Path, cache: Path) -> Errors:
    return Errors(project, cache)


@pytest.mark.parametrize("case", CASES)
def test_the_place_is_the_call_in_the_file_of_the_helper(errors: Errors, case: str) -> None:
    error = errors[case]
    assert error.file.endswith("lib/helper.fp") and error.line == 4, error
    assert error.span.text.startswith("made(name) = ")
    named = re.match(r"\(?(\w+) \{ name\b", case)
    if named and "argument" not in error.what and "nope" not in error.what:
        assert f'in {named[1]} {{ name = "app" }}' in error.why or error.calls


@pytest.mark.parametrize("user", ["image", "inside", "above"])
@pytest.mark.parametrize("case", PACKAGES)
def test_so_it_is_where_another_file_uses_the_value(project: Path, cache: Path, case: str, user: str) -> None:
    error = raised(project, cache, case, user)
    assert error.file.endswith("lib/helper.fp") and error.line == 4, error
    # The use is named too.
    assert any(call.span.file.endswith("fpack.fp") for call in error.calls), error.calls


def test_a_helper_that_only_passes_fields_on(project: Path, cache: Path) -> None:
    error = raised(project, cache, 'wrap { name, tools = ["gcc"] }\nwrap({ name, ...rest }) = make { name, ...rest }')
    assert error.file.endswith("lib/helper.fp") and error.line == 5


# ---- every error of the library is among the cases


def messages(cache: Path) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield each message that the library raises, with its place, as a pattern of the text."""
    for path in sorted(Path(std.DIRECTORY).rglob("*.fp")):
        source = Source(str(path), path.read_text(), library=True)
        for node in walk(parse(source, cache)):
            message: Node | None = None
            if node.kind == "call" and node.callee.kind == "var" and node.callee.name == "error":
                message = node.args[0]
            elif node.kind == "assert":
                message = node.message
            if message is not None:
                parts = [message.value] if message.kind == "str" else message.parts
                text = "".join(re.escape(p) if isinstance(p, str) else ".*" for p in parts)
                yield f"{path.name}: {source.text[message.start : message.end]}", re.compile(text, re.DOTALL)


def test_every_error_of_the_library_is_provoked(errors: Errors, cache: Path) -> None:
    patterns = list(messages(cache))
    assert len(patterns) > 80
    told = [errors[case].what for case in CASES]
    assert [place for place, pattern in patterns if not any(map(pattern.fullmatch, told))] == []
