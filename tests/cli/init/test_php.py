"""Test how `fpack init` finds packages, extensions, programs and document roots in PHP projects."""

from __future__ import annotations

import json

from fpack.cli.init.guess import Guess
from fpack.cli.init.php import php
from fpack.cli.init.project import Project


def _guess(files: dict[str, str]) -> Guess:
    found = php(Project("thing", files))
    assert found is not None
    return found


def test_a_program() -> None:
    manifest = {"name": "me/tool", "version": "1.0.0", "bin": ["bin/tool.php"]}
    found = _guess({"composer.json": json.dumps(manifest)})
    assert (found.name, found.version, found.entrypoint, found.todo) == ("tool", "1.0.0", ["@/bin/tool"], [])


def test_packages_and_their_extensions() -> None:
    manifest = {"require": {"php": ">=8.1", "a/b": "^1", "ext-gd": "*", "ext-json": "*"}}
    lock = {"packages": [{"name": "a/b", "require": {"ext-pdo_mysql": "*", "ext-dom": "*"}}]}
    files = {"composer.json": json.dumps(manifest), "public/index.php": ""}
    found = _guess({**files, "composer.lock": json.dumps(lock)})
    assert found.fields == [("lock", "./composer.lock"), ("extensions", '["gd", "mysql"]')]
    assert found.todo == [] and any("recorded in fpack.lock" in reason for reason in found.reasons)
    assert _guess(files).todo == ["lock the packages: composer update --no-install"]


def test_a_program_without_a_name_is_ignored() -> None:
    assert _guess({"composer.json": '{"bin": [1]}'}).library


def test_a_site_is_served_from_its_document_root() -> None:
    site = _guess({"composer.json": "{}", "public/index.php": ""})
    assert site.entrypoint == ["@/bin/php", "-S", "0.0.0.0:8000", "-t", "@/app/public", "@/app/public/index.php"]
    assert list(site.ports) == [8000]
    assert _guess({"index.php": "", "style.css": ""}).entrypoint == ["@/bin/php", "-S", "0.0.0.0:8000", "-t", "@/app"]


def test_a_library_has_no_image() -> None:
    assert _guess({"composer.json": '{"type": "library"}', "public/index.php": ""}).library


def test_scripts_are_named() -> None:
    found = _guess({"composer.json": json.dumps({"scripts": {"post-autoload-dump": ["x"]}})})
    assert any("post-autoload-dump do not run" in reason for reason in found.reasons)


def test_damaged_files_are_read_as_far_as_they_go() -> None:
    for content in ("{", "[]", '{"require": 3, "bin": 4, "scripts": []}', '{"bin": [1], "name": {}}'):
        assert _guess({"composer.json": content, "composer.lock": content}).call == "php"
