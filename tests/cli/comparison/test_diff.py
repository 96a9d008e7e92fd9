"""`fpack diff`: what differs between images and locks, and documents that hostile metadata cannot spoil."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.audit.model import AFFECTED, NOT_AFFECTED, UNDER_INVESTIGATION, Advisory, Finding, Product
from fpack.cli.comparison import git_lock, json_form, markdown, text
from fpack.cli.comparison.compare import compare, summarise_files, vulnerabilities
from fpack.cli.comparison.model import (
    IMAGE,
    ChangelogEntry,
    ComparedPackage,
    FileState,
    SideInventory,
    SourceChangelog,
)
from fpack.cli.comparison.settings import settings, shown, without_secrets
from fpack.cli.ui.layout import Page
from fpack.store.errors import FpackError
from support.growth import check_linear
from support.images.greeter import Greeter
from support.processes.program import Fpack

HOSTILE = "a`|<script>@team #1 [x](http://evil.example)\n\n# head\x1b[31m\u202e</details>![i](x)"


def package(name: str, version: str, **fields: Any) -> ComparedPackage:
    return ComparedPackage(name, version, "trixie", "amd64", name, version, "debian", sha256=version)._replace(**fields)


def inventory(*packages: ComparedPackage, files: Mapping[str, FileState] | None = None, **fields: Any) -> SideInventory:
    by_key = {("", "", item.name): item for item in packages}
    return SideInventory("side", IMAGE, by_key, {item.name: 10 for item in packages}, files or {}, digest="x")._replace(
        **fields
    )


def state(data: bytes = b"x", **fields: Any) -> FileState:
    return FileState("f", 0o644, 0, 0, len(data), data * 32, b"", "hello")._replace(**fields)


def test_packages_that_came_went_and_moved() -> None:
    old = inventory(package("a", "1"), package("b", "1"), package("c", "2"), package("d", "1"), package("e", "1"))
    new = inventory(
        package("b", "1.1"),
        package("c", "1"),
        package("d", "1", sha256="z"),
        package("e", "1", date=9),
        package("f", "1"),
    )
    found = compare(old, new)
    assert [(c.either.name, c.change, c.movement) for c in found.packages] == [
        ("a", "removed", ""),
        ("b", "changed", "upgraded"),
        ("c", "changed", "downgraded"),
        ("d", "changed", "rebuilt"),
        ("f", "added", ""),
    ]
    assert [(c.owner, c.old, c.new) for c in found.sizes] == [("a", 10, 0), ("f", 0, 10)]
    assert not compare(old, old).differs


def test_another_file_of_the_same_version_by_any_digest_that_both_have() -> None:
    """The lock of an archive with SHA-512 only has no SHA-256, and an archive may move from one to the other."""

    def movements(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
        sides = (inventory(package("a", "1", **{"sha256": "", **fields})) for fields in (old, new))
        return [change.movement for change in compare(*sides).packages]

    strong, other = {"sha512": "a" * 128}, {"sha512": "b" * 128}
    both = {"sha256": "a" * 64, **strong}
    assert movements(strong, other) == movements(both, other) == ["rebuilt"]
    assert movements(both, {"sha256": "b" * 64, **strong}) == ["rebuilt"]
    assert movements(strong, strong) == movements(both, strong) == movements({"sha256": "a" * 64}, strong) == []


def test_files_by_what_changed() -> None:
    old = {"a": state(), "b": state(), "c": state(), "d": state(), "e": state(), "f": state()}
    new = {
        "b": state(b"y"), "c": state(mode=0o755), "d": state(uid=7), "e": state(owner="other"),
        "f": state(b"", kind="l", sha256=b"", target=b"x"), "g": state(owner=""),
    }  # fmt: skip
    found = compare(inventory(files=old), inventory(files=new))
    assert [(c.path, c.change, c.parts) for c in found.files] == [
        ("a", "removed", ()),
        ("b", "changed", ("content",)),
        ("c", "changed", ("mode",)),
        ("d", "changed", ("owner",)),
        ("f", "changed", ("kind", "content", "target")),
        ("g", "added", ()),
    ]
    assert [tuple(row) for row in summarise_files(found.files)] == [("hello", 0, 1, 4), ("", 1, 0, 0)]


def test_licences_are_compared_where_both_are_known() -> None:
    old = inventory(package("a", "1"), package("b", "1"), package("c", "1"), licences={"a": "MIT", "b": "MIT"})
    new = inventory(
        package("a", "2"), package("b", "2"), package("c", "2"), package("d", "1"),
        licences={"a": "GPL-2.0-only", "b": "MIT", "c": "MIT", "d": "Zlib"},
    )  # fmt: skip
    assert [tuple(item) for item in compare(old, new).licences] == [("a", "MIT", "GPL-2.0-only"), ("d", "", "Zlib")]


def finding(id: str, status: str = AFFECTED, package: str = "openssl", severity: str = "high") -> Finding:
    advisory = Advisory(id, (), "Debian", "trixie", package, (), severity=severity, description="bad")
    return Finding(advisory, Product("Debian", "trixie", package, "1", ""), status)


def test_vulnerabilities_that_are_fixed_and_new() -> None:
    old = [finding("A"), finding("B"), finding("C", NOT_AFFECTED), finding("D", UNDER_INVESTIGATION)]
    new = [finding("B"), finding("C", severity="low"), finding("E", severity="critical"), finding("D", NOT_AFFECTED)]
    found = vulnerabilities(old, new)
    assert [item.id for item in found.fixed] == ["A", "D"]
    assert [item.id for item in found.new] == ["E", "C"]
    assert found.remaining == 1
    side = inventory()
    comparison = compare(side, side, (), found)
    assert "2 vulnerabilities fixed" in "\n".join(text.lines(comparison, Page(0, False), files=False))


def test_the_releases_of_a_lock_are_compared_each_and_those_of_images_are_one() -> None:
    def of(release: str) -> Finding:
        found = finding("A")
        return found._replace(product=found.product._replace(release=release))

    lock = vulnerabilities([of("trixie"), of("bookworm")], [of("trixie")])
    assert [item.id for item in lock.fixed] == ["A"] and lock.remaining == 1
    assert vulnerabilities([of("bookworm")], [of("trixie")]) == ((), (), 1, ())


SECRETS = {
    "Env": [
        "PATH=/usr/bin", "DB_PASSWORD=hunter2", "API_TOKEN=hunter2", "AWS_SECRET_ACCESS_KEY=hunter2", "PGPASSFILE=/x",
        "DATABASE_URL=postgres://user:hunter2@db/x", "CI=ghp_hunter2hunter2hunter2hunter2", "GREETING=hi", "ODD",
    ],
    "Cmd": ["serve", "--password", "hunter2", "--token=hunter2", "https://a:hunter2@b/"],
    "Entrypoint": ["sh", "-c", "PASSWORD=hunter2 run"],
    "Labels": {"secret.value": "hunter2", "a": "b"},
    "Healthcheck": {"Test": ["CMD", "curl", "-H", "Authorization: hunter2"]},
    "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "User": "nobody",
}  # fmt: skip


def test_secrets_are_hidden_and_that_they_changed_is_told() -> None:
    old = settings({"config": SECRETS, "architecture": "amd64", "os": "linux"})
    new = settings({"config": json.loads(json.dumps(SECRETS).replace("hunter2", "hunter3")), "architecture": "amd64"})
    found = compare(inventory(settings=old), inventory(settings=new))
    told = json.dumps(json_form.value(found)["settings"])
    assert "hunter" not in told and "\\u0000" not in told
    assert {item.name for item in found.settings} >= {
        "env DB_PASSWORD", "env API_TOKEN", "env AWS_SECRET_ACCESS_KEY", "env DATABASE_URL", "env CI", "command",
        "entrypoint", "label secret.value", "healthcheck", "operating system",
    }  # fmt: skip
    assert {(item.old, item.new) for item in found.settings if item.name.startswith("env DB")} == {
        ("(hidden)", "(hidden)")
    }
    assert shown(old["env DATABASE_URL"]) == "postgres://(hidden)@db/x"
    assert "ss" not in shown(without_secrets("https://user:pa@ss@host/x")), "a password can have an @"
    assert (
        old["env PATH"] == "/usr/bin"
        and old["env GREETING"] == "hi"
        and "port 80/tcp" in old
        and old["user"] == "nobody"
    )
    assert not compare(inventory(settings=old), inventory(settings=old)).settings


@pytest.mark.parametrize("unit", ["-pass", "-a", "pass", "a", "a:// ", "eyJ", " "])
def test_secrets_of_hostile_values_are_looked_for_in_bounded_time(unit: str) -> None:
    check_linear(lambda size: without_secrets(unit * (size // len(unit))), 1_500)
    check_linear(lambda size: without_secrets(unit * size), 20_000)


def test_a_value_too_long_to_be_searched_is_hidden() -> None:
    first, second = (without_secrets("word " * 5_000 + end) for end in ("--password=one", "--password=two"))
    assert shown(first) == "(hidden)" and first != second


@pytest.mark.parametrize(
    "bad", [{}, {"config": None}, {"config": {"Env": 3, "Labels": [], "ExposedPorts": 1, "User": 7}}]
)
def test_a_configuration_of_another_form(bad: dict[str, Any]) -> None:
    assert set(settings(bad)) <= {"user"}


def hostile() -> Any:
    """Return a comparison in which every text is from an attacker."""
    entry = ChangelogEntry(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE, "```", "</details>"), ("CVE-2026-0001",))
    log = SourceChangelog(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), (entry,))
    sides = [
        inventory(
            package(HOSTILE, f"{HOSTILE}{number}", source=HOSTILE),
            files={HOSTILE: state(bytes([number]), owner=HOSTILE)},
            settings={HOSTILE: f"{HOSTILE}{number}"}, licences={HOSTILE: f"{HOSTILE}{number}"}, name=HOSTILE,
            sizes={HOSTILE: number},
        )
        for number in (1, 2)
    ]  # fmt: skip
    found = vulnerabilities([finding(HOSTILE, package=HOSTILE, severity=HOSTILE)], [])
    return compare(*sides, [log], found)


def test_markdown_has_no_markup_of_others() -> None:
    """Outside of code spans, code tags and indented code, nothing of the hostile text remains."""
    document = markdown.document(hostile(), files=True)
    assert document.isascii() or "\u202e" not in document
    assert "\x1b" not in document
    rest = "\n".join(line for line in document.splitlines() if not line.startswith("    "))
    assert rest.count("`") % 2 == 0
    rest = re.sub(r"`[^`\n]*`|<code>[A-Za-z0-9.+-]*</code>", "", rest)
    assert not re.search(r"[@#]\w|script|evil|\[|!|head", rest), rest
    assert rest.count("<details>") == rest.count("</details>") > 0
    rows = [line for line in rest.splitlines() if line.startswith("|")]
    assert rows and {line.count("|") for line in rows} <= {4, 5, 6}  # no cell is split


def test_markdown_is_bounded() -> None:
    many = [package(f"package-{number:05}-{'x' * 150}", "1") for number in range(3000)]
    lines = tuple("y" * 390 for _ in range(400))
    logs = [
        SourceChangelog(f"s{n}", "1", "2", ("p",), (ChangelogEntry("2", "a", "low", "", lines, ()),)) for n in range(50)
    ]
    files = {f"f{number}": state() for number in range(9000)}
    document = markdown.document(compare(inventory(), inventory(*many, files=files), logs), files=True)
    assert len(document) <= markdown.MAX_LENGTH and "too long for a comment" in document
    assert "and 2900 more" in document


def test_text_has_no_control_characters() -> None:
    shown_lines = list(text.lines(hostile(), Page(0, False), files=True))
    assert all(line.isprintable() for line in shown_lines)
    assert any("CVE-2026-0001" in line for line in shown_lines)


# The program.


def asked(fpack: Fpack, *words: str | Path, cwd: Path | None = None, status: int = 0) -> Any:
    return json.loads(fpack("diff", *words, "--json", cwd=cwd, status=status).stdout)


def test_two_images_of_one_project(made: Greeter, tmp_path: Path) -> None:
    project = made.project
    source = (project / "fpack.fp").read_text()
    changed = source.replace('text = "welcome", mode = "0600"', 'text = "goodbye", mode = "0644"')
    changed = changed.replace('GREETING = "hi"', 'GREETING = "ho"').replace('user = "nobody"', 'user = "root"')
    changed = changed.replace("ports = [8000]", "ports = [8001]").replace(
        'note = text("note", "see', 'note = text("note", "look'
    )
    (project / "changed.fp").write_text(changed)
    try:
        made.fpack.pack("changed.fp", "-o", tmp_path / "new.tar", cwd=project)
        found = asked(made.fpack, made.tar, tmp_path / "new.tar")
        assert found == {**asked(made.fpack, made.tar, "changed.fp", cwd=project), "new": found["new"]}
    finally:
        (project / "changed.fp").unlink()
    assert found["packages"] == [] and found["differs"]
    files = {item["path"]: item for item in found["files"]}
    assert files["/etc/motd"]["parts"] == ["content", "mode"] and files["/etc/motd"]["package"] == ""
    assert files["/fpack/store/note"]["parts"] == ["content"] and files["/fpack/store/note"]["package"] == "note"
    told = {item["name"]: (item["old"], item["new"]) for item in found["settings"]}
    assert (
        told["env GREETING"] == ("hi", "ho")
        and told["user"] == ("65534:65534", "0:0")
        or told["user"][0] != told["user"][1]
    )
    assert told["port 8000/tcp"] == ("", None) and told["port 8001/tcp"] == (None, "")
    shown_text = made.fpack("diff", made.tar, tmp_path / "new.tar", "--files").stdout
    assert "~ /etc/motd" in shown_text and "0600 -> 0644" in shown_text
    assert "### `" in made.fpack("diff", made.tar, tmp_path / "new.tar", "--markdown").stdout


def test_a_layout_and_a_tar_are_the_same(made: Greeter, tmp_path: Path) -> None:
    made.fpack.pack("--format", "oci-dir", "-o", tmp_path / "layout", cwd=made.project)
    assert not asked(made.fpack, made.tar, tmp_path / "layout")["differs"]
    assert asked(made.fpack, made.tar, cwd=made.project)["files"] == []


def test_the_page_of_a_comparison(made: Greeter, tmp_path: Path) -> None:
    done = made.fpack("diff", made.tar, f"{made.project}/fpack.fp#everything", "--html", cwd=tmp_path)
    assert done.stdout == "fpack.diff.html\n" and [path.name for path in tmp_path.iterdir()] == ["fpack.diff.html"]
    text = (tmp_path / "fpack.diff.html").read_text()
    assert "greeter.tar" in text and str(tmp_path) not in text and "idle" in text
    words = (f"--html={tmp_path}/named.html", "--exit-code")
    made.fpack("diff", made.tar, "#everything", *words, cwd=made.project, status=1)
    assert (tmp_path / "named.html").is_file()


@pytest.mark.parametrize("name", ["greeter.tar", "fpack.lock", "git:HEAD", "#image"])
def test_an_operand_after_html_is_not_replaced(made: Greeter, name: str) -> None:
    before = made.tar.read_bytes()
    assert "ends with .html" in made.fpack.fails("diff", "--html", name, made.tar, cwd=made.project)
    assert made.tar.read_bytes() == before


def test_what_cannot_be_compared(made: Greeter, tmp_path: Path) -> None:
    fails = made.fpack.fails
    assert "cannot be compared" in fails("diff", made.tar, "git:HEAD")
    assert "exclude each other" in fails("diff", made.tar, made.tar, "--json", "--markdown")
    assert "exclude each other" in fails("diff", made.tar, made.tar, "--html=x.html", "--json")
    assert "nothing to compare with" in fails("diff", made.tar, cwd=tmp_path)
    assert "no such lock" in fails("diff", "nowhere/fpack.lock", "git:HEAD")
    (tmp_path / "bad.lock").write_text("fpack-lock 1\nwhat\n")
    assert "malformed" in fails("diff", tmp_path / "bad.lock", tmp_path / "bad.lock")


def git(directory: Path, *words: str) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    env = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(["git", "-C", str(directory), *words], check=True, env=env, stdout=subprocess.DEVNULL)


@pytest.fixture
def repository(made: Greeter, tmp_path: Path) -> Path:
    """Return a repository with the project's lock in two commits: the second lacks `hello`, but nothing else."""
    top = tmp_path / "repository"
    (top / "sub").mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    lock = (made.project / "fpack.lock").read_text()
    for number, content in enumerate((lock, _without(lock, "idle"))):
        (top / "sub" / "fpack.lock").write_text(content)
        (top / "sub" / "fpack.fp").write_text("image = 1\n")
        git(top, "add", ".")
        git(top, "commit", "-q", "-m", f"commit {number}")
    return top


def _without(lock: str, name: str) -> str:
    """Return a lock without closures and without one package."""
    lines = lock.split("\n\nclosure")[0].splitlines()
    return "\n".join(line for line in lines if f" {name} " not in line) + "\n"


def test_the_locks_of_commits(made: Greeter, repository: Path) -> None:
    project = repository / "sub"
    found = asked(made.fpack, "git:HEAD~1", cwd=project)
    assert [(item["name"], item["change"]) for item in found["packages"]] == [("idle", "removed")]
    assert found["old"]["form"] == "lock" and found["new"]["name"] == "fpack.lock"
    assert asked(made.fpack, "HEAD~1:sub/fpack.lock", "git:main", cwd=project)["packages"] == found["packages"]
    assert not asked(made.fpack, "git:HEAD", cwd=project)["differs"]
    assert asked(made.fpack, "git:HEAD~1:sub/fpack.lock", "fpack.lock", "--exit-code", cwd=project, status=1)["differs"]
    for bad in ("git:", "git:nowhere", "git:HEAD:fpack.lock", "git:--help", "git:HEAD~9", "-x:fpack.lock"):
        assert "Traceback" not in made.fpack.fails("diff", *(["--"] if bad.startswith("-") else []), bad, cwd=project)


def test_nothing_of_a_repository_runs(made: Greeter, repository: Path, tmp_path: Path) -> None:
    """Filters, hooks, text conversions, a monitor of files, a pager, and a remote that is fetched when objects lack."""
    project, mark = repository / "sub", tmp_path / "ran"
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    tool.chmod(0o755)
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (repository / ".git" / "info").mkdir(exist_ok=True)
    (repository / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    for key in ("filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "core.fsmonitor", "core.pager",
                "core.sshCommand", "core.editor", "core.askPass", "alias.cat-file", "alias.rev-parse"):  # fmt: skip
        git(repository, "config", key, str(tool) if not key.startswith("alias") else f"!{tool}")
    remote = {
        "remote.o.url": f"ext::{tool}",
        "remote.o.promisor": "true",
        "extensions.partialClone": "o",
        "core.repositoryFormatVersion": "1",
    }
    for key, value in {**remote, "protocol.ext.allow": "always", "core.hooksPath": str(tmp_path)}.items():
        git(repository, "config", key, value)
    assert asked(made.fpack, "git:HEAD~1", cwd=project)["packages"]
    # The lock of the first commit is gone, so git would fetch it.
    found = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD~1:sub/fpack.lock"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (repository / ".git" / "objects" / found[:2] / found[2:]).unlink()
    made.fpack.fails("diff", "git:HEAD~1", cwd=project)
    assert not mark.exists()


def test_a_text_is_a_commit_only_in_these_forms() -> None:
    assert all(map(git_lock.is_commit, ("git:HEAD", "main:fpack.lock", "v1:a/b/fpack.lock", "git:x:fpack.lock")))
    assert not any(map(git_lock.is_commit, ("fpack.lock", "a:b", ":fpack.lock", "debian.trixie.x", "x.tar")))
    with pytest.raises(FpackError, match="names no commit"):
        git_lock.read("git:a\nb", Path("."))
