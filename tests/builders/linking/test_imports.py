"""The modules that code imports, and the packages that have them."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest
from fpack.builders.linking.imports import Import, imports, package_names
from support.growth import check_linear
from support.traced_memory import peak_memory


def found(language: str, text: str) -> dict[str, bool]:
    """Return the imports of a text: whether each is sure."""
    result: dict[str, bool] = {}
    for name, sure in imports(language, text.encode()):
        result[name] = sure or result.get(name, False)
    return result


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "import a.b.c, d as e\nfrom f import g\nfrom h.i.j import k\n", {
            "a.b": True, "d": True, "f.g": True, "h.i": True}),
        ("python", "from . import x\nfrom .y import z\nimport sys\n", {}),
        ("python", "try:\n    import a\nexcept ImportError:\n    a = None\n", {"a": False}),
        ("python", "def f():\n    import a\n", {"a": False}),
        ("python", "if TYPE_CHECKING:\n    import a\n", {"a": False}),
        ("python", "if __name__ == '__main__':\n    import a\n", {"a": True}),
        ("python", "class A:\n    import a\n", {"a": True}),
        ("python", "import sys\nsys.exit(1)\nimport a\n", {"a": False}),
        ("python", "try:\n    import a\nfinally:\n    pass\n", {"a": True}),
        ("python", "'''\nimport doc\n'''\n", {}),
        ("python", "print 'of Python 2'\nimport a\n", {"a": False}),
        ("perl", "use strict;\nuse A::B qw(c);\nrequire D;\neval { require E::F };\n", {
            "strict": True, "A::B": True, "D": False, "E::F": False}),
        ("perl", "use parent 'A::B';\nuse base qw(C::D E);\nuse if $^O eq 'x', 'F::G';\n", {
            "A::B": True, "C::D": True, "E": True, "F::G": False}),
        ("perl", "use 5.010;\nuse v5.36;\n\n=pod\n\nuse Doc;\n\n=cut\n\nuse A;\n__END__\nuse Late;\n", {"A": True}),
        ("ruby", "require 'a/b'\nrequire \"c.rb\"\n# require 'd'\nbegin\n  require 'e'\nrescue LoadError\nend\n", {
            "a/b": True, "c": True, "e": False}),
        ("ruby", "require_relative 'a'\n", {}),
        ("node", "const a = require('a/b');\nimport c from '@d/e/f.js';\nimport 'g';\nh = require('node:fs');\n", {
            "a": True, "@d/e": True, "g": True}),
        ("node", "const x = require('./own');\n// require('no')\n/* require('no') */\nif (x) { y = require('z'); }\n", {
            "z": False}),
        ("php", "<?php\nrequire_once 'Foo/autoload.php';\n  include 'Bar.php';\nmb_strlen($x); new ZipArchive();\n", {
            "Foo/autoload.php": True, "Bar.php": False, "extension mbstring": False, "extension zip": False}),
        ("lua", "local a = require('b.c')\nrequire 'd'\n-- require 'no'\nlocal ok, e = pcall(require, 'f')\n", {
            "b.c": True, "d": True}),
        ("tcl", "package require Http 2\n# package require no\nif {1} {\n  package require tls\n}\n", {
            "http": True, "tls": False}),
        ("r", "library(jsonlite)\nlibrary(stats)\nx <- ggplot2::ggplot()\nif (requireNamespace('a')) 1\n", {
            "jsonlite": True, "ggplot2": False, "a": False}),
        ("java", "#!/bin/sh\nfind_jars one two\nexec java -jar /usr/share/java/three.jar\n", {
            "one": False, "two": False, "three": False}),
        ("python", "\0\x00", {}),
    ],
)  # fmt: skip
def test_imports_of_a_language(language: str, text: str, expected: dict[str, bool]) -> None:
    assert found(language, text) == expected


def test_the_class_path_of_an_archive() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nClass-Path: lib/One.jar tw\r\n o.jar\r\n")
    assert list(imports("java", file.getvalue())) == [Import("one", False), Import("two", False)]


def jar(manifest: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("META-INF/MANIFEST.MF", manifest)
    return file.getvalue()


def test_a_manifest_takes_no_more_memory_than_its_archive_claims() -> None:
    bomb = jar(bytes(32 << 20)).replace((32 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert list(imports("java", bomb)) == []
    assert peak_memory(lambda: list(imports("java", bomb))) < 8 << 20


@pytest.mark.parametrize(
    "text",
    [
        b"PK",
        b"PK\3\4" + bytes(100),
        b"PK\5\6" + b"\xff" * 40,
        jar(b"Class-Path: a.jar\r\n", zipfile.ZIP_LZMA),
        jar(b"x" * 100).replace(zlib.compress(b"x" * 100)[2:-4], b"\xff" * 5),
    ],
)
def test_a_damaged_archive_names_nothing(text: bytes) -> None:
    assert list(imports("java", text)) == []


@pytest.mark.parametrize("text", [b"(" * 5000, b"import " + b"a." * 5000, b"\xff\xfe import a", b"-" * 100_000 + b"1"])
def test_hostile_code_is_no_error(text: bytes) -> None:
    for language in ("python", "perl", "ruby", "node", "php", "lua", "tcl", "r", "java"):
        assert all(isinstance(name, str) for name, _ in imports(language, text))


def test_known_modules_are_not_told() -> None:
    assert list(imports("python", b"import a\nimport b\n", {"a"}.__contains__)) == [Import("b", True)]


@pytest.mark.parametrize(
    ("language", "module", "package"),
    [
        ("python", "yaml", "python3-yaml"), ("python", "PIL.Image", "python3-pil"),
        ("python", "flask.app", "python3-flask"), ("perl", "JSON::XS", "libjson-xs-perl"),
        ("ruby", "nokogiri", "ruby-nokogiri"), ("node", "express", "node-express"), ("lua", "socket", "lua-socket"),
        ("r", "jsonlite", "r-cran-jsonlite"), ("php", "extension mbstring", "php-mbstring"),
        ("java", "commons-io", "libcommons-io-java"),
    ],
)  # fmt: skip
def test_names_of_packages(language: str, module: str, package: str) -> None:
    assert package_names(language, module)[0] == package


@pytest.mark.parametrize(
    ("language", "before", "repeated"),
    [
        ("perl", "", " "), ("perl", "", "eval "), ("ruby", "", "\t"), ("node", "", "/*"), ("php", "", "/*"),
        ("php", " snmp", "_"), ("lua", "local  =", " "), ("lua", "local ", " "), ("lua", "require", " "),
        ("tcl", "", " "), ("tcl", "", "catch "), ("r", "", " "), ("r", "", "a."), ("java", "", "a"),
        ("java", "1-", "a."),
    ],
)  # fmt: skip
def test_a_file_of_one_long_line_is_read_in_time_in_proportion_to_it(language: str, before: str, repeated: str) -> None:
    check_linear(lambda size: list(imports(language, (before + repeated * (size // len(repeated))).encode())))


def test_comments_without_an_end_hide_nothing() -> None:
    text = "const a = require('a') // src/*.js\n/* b = require('b') */ x = 'src/*'\n  // require('c')\nrequire('d')\n"
    assert found("node", text).keys() == {"a", "d"}
