"""Test that quick commands are read as click reads them, and without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.cli import quick_commands
from fpack.cli.groups import LazyGroup
from fpack.cli.images.push import command as push_command
from fpack.cli.verbs import command_of
from fpack.cli.version import VERSION
from support.servers.registry import Registry
from support.servers.repositories import MANIFEST, manifest

LINES = {
    "eval": (
        [],
        ["a"],
        ["a.fp#b", "--json"],
        ["--json", "a"],
        ["-e", "1 + 2"],
        ["-e", "-1"],
        ["-e", "1", "-e", "2"],
        ["--expression=1"],
        ["a", "--lock", "x.lock", "--frozen", "--accept-expired"],
        ["a", "--arch=arm64"],
        ["a", "--lock=a=b"],
    ),
    "cache pull": (
        [],
        ["a", "/fpack/store/b", "--from", "file:///c", "--from=file:///d", "-o", "e", "--json", "-j", "2"],
    ),
    "pack": (
        [],
        ["a", "b", "--push", "localhost:5000/a:1", "--plain-http", "--no-manifest"],
        ["a.fp#b", "-o", "c.tar", "--format=deb", "--platform", "linux/amd64", "--platform=linux/arm64", "--together"],
        ["-e", "1", "-e", "A=b", "--expression", "2", "--env", "C=d", "--port", "80", "--volume=/data", "--git"],
        ["--sbom", "--vex", "--data", "d", "--sbom=spdx-2.3", "--provenance", "--fetch-fixed", "--sbom"],
        ["--sbom", "cyclonedx-1.6", "a"],
        ["--sources", "--try", "b -c", "--entrypoint=d", "--command", "e", "--user", "1", "--no-configure"],
        ["--sources", "--no-sources", "-t", ":2", "--load", "podman", "--compress", "none", "--source-date", "--json"],
    ),
    "pull": (
        ["localhost:5000/a"],
        ["localhost:5000/a", "-o", "b/", "--platform", "linux/arm64", "--plain-http", "--json", "--no-caches"],
    ),
    "push": (
        ["a.tar", "localhost:5000/a"],
        ["a.tar", "localhost:5000/a:1", "--plain-http", "--json"],
        ["--no-caches", "a.tar", "-j", "3", "localhost:5000/a"],
    ),
}
UNUSUAL = {
    "eval": (
        ["--help"], ["-h"], ["--jso"], ["--unknown"], ["-ea"], ["--json=1"], ["-e"], ["-e", ""], ["--lock", "."],
        ["--mirror", "http://127.0.0.1"], ["--eval-time", "3"], ["--max-index-age=no"], ["a", "--", "-b"], ["-"],
    ),
    "cache pull": (["--help"], ["--from", ""], ["--from"], ["-o", ""]),
    "pack": (["--help"], ["--load", "crun"], ["--format="], ["-o", ""], ["--sources=1"], ["--max-index-age", "3"]),
    "pull": (["--help"], ["a", "-o"]),
    "push": (["--help"], ["a.tar", "b", "--unknown"], ["a.tar", "b", "--jobs=x"], ["a.tar", "b", "--mirror", "http://c"]),
}  # fmt: skip


def command_named(verb: str) -> click.Command:
    """Return the command of a verb, or of a verb and a subcommand."""
    first, *rest = verb.split()
    command = command_of(first)
    for name in rest:
        assert isinstance(command, LazyGroup)
        command = command.get_command(None, name) or command
    return command


@pytest.mark.parametrize(("verb", "words"), [(verb, words) for verb, lines in LINES.items() for words in lines])
def test_values_are_those_of_click(verb: str, words: list[str]) -> None:
    found = quick_commands.read([*verb.split(), *words])
    assert found is not None
    command = command_named(verb)
    values = dict(command.make_context(verb, list(words)).params)
    arguments = [values.pop(p.name) for p in command.params if isinstance(p, click.Argument) and p.name]
    given = [
        word for value in arguments if value is not None for word in ([value] if isinstance(value, str) else value)
    ]
    assert list(found[0]) == given
    assert found[1] == values


@pytest.mark.parametrize(("verb", "words"), [(verb, words) for verb, lines in UNUSUAL.items() for words in lines])
def test_click_reads_other_lines(verb: str, words: list[str]) -> None:
    assert quick_commands.read([*verb.split(), *words]) is None


@pytest.mark.parametrize(
    "argv", [[], ["evaluate"], ["--offline", "eval", "a"], ["--help"], ["cache"], ["cache", "gc"], ["verify"]]
)
def test_click_reads_other_verbs(argv: list[str]) -> None:
    assert quick_commands.read(argv) is None


@pytest.mark.parametrize("verb", LINES)
def test_tables_are_complete(verb: str) -> None:
    """Test that a verb has no option that is missing in its table, which a quick command would lack."""
    found = quick_commands.read(verb.split())
    assert found is not None
    assert set(found[1]) == {p.name for p in command_named(verb).params if isinstance(p, click.Option)}


def loaded(code: str, cwd: Path) -> set[str]:
    """Return the modules that a new process has loaded after it ran some code."""
    code += "\nimport sys; print('\\n'.join(sys.modules))"
    env = {**os.environ, "XDG_CACHE_HOME": str(cwd / "cache"), "FPACK_ROOT": str(cwd / "root")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, cwd=cwd, env=env
    )
    return set(done.stdout.split())


def test_quick_commands_load_little(tmp_path: Path) -> None:
    """Test the modules whose import takes longer than the rest of a quick command."""
    (tmp_path / "a.fp").write_text('a = "b"\n')
    evaluate = "from fpack.cli.main import main; assert main(['eval', 'a.fp#a']) == 0"
    loaded(evaluate, tmp_path)  # compiles the file
    evaluates = loaded(evaluate, tmp_path)
    assert not evaluates & {"click", "typing", "json", "sqlite3", "threading", "inspect", "fpack.store.store"}
    version = loaded(f"from fpack.cli.main import main; main(['--version']); {VERSION!r}", tmp_path)
    assert not version & {"click", "typing", "json", "re", "enum", "pathlib", "contextlib", "blake3"}
    evaluator = loaded("import fpack.lang.evaluator", tmp_path)
    assert not evaluator & {"click", "typing", "json", "re", "enum", "pathlib", "contextlib", "threading", "lark"}
    warm = loaded("import fpack.cli.shells.warm_start", tmp_path)
    assert not warm & {"click", "typing", "json", "re", "enum", "pathlib"}


@pytest.mark.parametrize(
    "arguments",
    [[], ["a.tar"], ["a", "b", "c"], ["hello", "localhost:5000/a"], ["localhost:5000/b", "localhost:5000/a"]],
)
def test_only_an_image_file_is_pushed_without_click(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = quick_commands.read(["push"])
    assert values is not None and push_command.run(arguments, **values[1]) is None


def test_a_push_of_an_image_file_needs_no_click(tmp_path: Path) -> None:
    with Registry() as registry:
        layout = DirectoryRepository(tmp_path / "layout")
        layout.write_manifest(manifest(layout), MANIFEST, "1")
        (tmp_path / "layout" / ".uploads").rmdir()
        words = ["push", f"{tmp_path}/layout", f"{registry.host}/team/app:1", "--plain-http"]
        push = f"from fpack.cli.main import main; assert main({words!r}) == 0"
        assert "click" not in loaded(push, tmp_path)
        registry.clear()
        modules = loaded(push, tmp_path)
        assert registry.requests == [("HEAD", "/v2/team/app/manifests/1")]
        assert not modules & {"click", "inspect", "fpack.builders.distribution.uploads"}
        assert "fpack.lang.evaluator" not in modules
        assert not modules & {"typing", "urllib3", "encodings.idna", "fpack.builders.attest.keys"}
        pulling = loaded(
            "import fpack.cli.images.pull.command, fpack.cli.images.pull.file, fpack.builders.net.direct,"
            " fpack.builders.distribution.document_cache, fpack.builders.distribution.registry,"
            " fpack.builders.intake.repository_archive",
            tmp_path,
        )
        assert not pulling & {"click", "typing", "zstandard", "fpack.lang.evaluator", "fpack.store.store"}
        documents = ("attest.keys", "manifest.base_packages", "manifest.json_form", "manifest.reader")
        assert not pulling & {f"fpack.builders.{name}" for name in documents}


def test_commands_that_hash_little_load_no_openssl(tmp_path: Path) -> None:
    build = "import fpack.cli.builds.warm_start, fpack.store.collection.roots, fpack.store.store"
    fetch = (
        "import fpack.cli.caches.fetched_paths, fpack.cli.workspace.workspace, fpack.store.store,"
        " fpack.cli.workspace.caches.opener, fpack.builders.caches.substitution, fpack.builders.distribution.layout"
    )
    copy = "import fpack.builders.export.oci"
    for code in (build, fetch, copy):
        assert not loaded(code, tmp_path) & {"hashlib", "_hashlib", "ssl", "click"}
