"""The commit of a project: right for each kind of change, and nothing that a repository names is run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fpack.cli.images.attestations import git_commit

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Repository:
    """A repository with a project in a directory of it. top: the working tree. project: that directory."""

    def __init__(self, top: Path, algorithm: str = "sha1") -> None:
        self.top, self.project = top, top / "app"
        (self.project / "data" / "deep").mkdir(parents=True)
        (self.project / "fpack.fp").write_text("image = 1\n")
        (self.project / "data" / "one").write_text("one\n")
        (self.project / "data" / "deep" / "run").write_text("#!/bin/sh\n")
        (self.project / "data" / "deep" / "run").chmod(0o755)
        (self.project / "data" / "link").symlink_to("deep/run")
        (self.project / "data" / ".gitignore").write_text("*.log\n")
        (self.project / "data" / "x.log").write_text("ignored\n")
        (top / "README").write_text("text\n")
        self.git("init", "-q", f"--object-format={algorithm}")
        self.commit()

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", *who, *words], cwd=self.top, capture_output=True, text=True, check=True, env=env)
        return done.stdout.strip()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "text")

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def find(self) -> git_commit.Commit | None:
        return git_commit.find(self.project, [self.project / "fpack.fp", self.project / "data"])


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_clean_project_has_its_commit(tmp_path: Path, algorithm: str) -> None:
    repository = Repository(tmp_path / "repository", algorithm)
    assert repository.find() == (repository.head, True)
    repository.git("gc", "-q")
    assert repository.find() == (repository.head, True), "also from packs"
    (repository.top / "README").write_text("changed\n")
    (repository.project / "data" / "new.log").write_text("ignored\n")
    assert repository.find() == (repository.head, True), "the image is not built from these"


def test_a_worktree_has_its_own_commit(repository: Repository, tmp_path: Path) -> None:
    repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    old = repository.head
    (repository.project / "fpack.fp").write_text("image = 2\n")
    repository.commit()
    project = tmp_path / "other" / "app"
    assert git_commit.find(project, [project / "fpack.fp", project / "data"]) == (old, True)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: (data / "one").write_text("two\n"),
        lambda data: (data / "one").chmod(0o755),
        lambda data: (data / "one").unlink(),
        lambda data: (data / "new").write_text("new\n"),
        lambda data: (data / "link").unlink(),
        lambda data: ((data / "link").unlink(), (data / "link").symlink_to("one")),
        lambda data: ((data / "link").unlink(), (data / "link").write_text("deep/run")),
        lambda data: (data / "deep" / "run").chmod(0o644),
        lambda data: (data / ".gitignore").write_text(""),
        lambda data: (data.parent / "fpack.fp").write_text("image = 2\n"),
    ],
)
def test_each_change_is_told(repository: Repository, change: object) -> None:
    change(repository.project / "data")  # type: ignore[operator]
    assert repository.find() == (repository.head, False)


def test_a_file_outside_of_the_repository_is_in_no_commit(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    assert git_commit.find(repository.project, [tmp_path / "outside"]) == (repository.head, False)


def test_without_a_commit_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_commit.find(tmp_path, []) is None
    (tmp_path / ".git").mkdir()
    assert git_commit.find(tmp_path, []) is None
    repository = Repository(tmp_path / "repository")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert repository.find() is None


# Attacks.


def test_nothing_that_a_repository_names_is_run(repository: Repository, tmp_path: Path) -> None:
    """Hooks, filters, monitors, aliases, pagers, helpers, and servers of missing objects."""
    canary = tmp_path / "canary"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    evil.chmod(0o755)
    config = f"""
[core]
	fsmonitor = {evil}
	hooksPath = {tmp_path}
	pager = {evil}
	sshCommand = {evil}
	editor = {evil}
	askPass = {evil}
	alternateRefsCommand = {evil}
	gitProxy = {evil}
[alias]
	rev-parse = !{evil}
	ls-tree = !{evil}
[filter "evil"]
	clean = {evil}
	smudge = {evil}
	process = {evil}
	required = true
[diff]
	external = {evil}
[credential]
	helper = {evil}
[remote "origin"]
	url = ext::{evil}
	promisor = true
	partialclonefilter = blob:none
	uploadpack = {evil}
[extensions]
	partialClone = origin
[protocol]
	allow = always
[trace2]
	eventTarget = {canary}
	normalTarget = {canary}
[pager]
	ls-tree = {evil}
"""
    (repository.top / ".gitattributes").write_text("* filter=evil diff=evil\n")
    repository.commit()
    head = repository.head
    with open(repository.top / ".git" / "config", "a") as file:
        file.write(config)
    for hook in (repository.top / ".git" / "hooks").iterdir():
        hook.unlink()
    for name in ("post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        shutil.copy(evil, repository.top / ".git" / "hooks" / name)
    before = {path: path.stat().st_mtime_ns for path in (repository.top / ".git").rglob("*")}
    assert repository.find() == (head, True)
    tree = subprocess.run(["git", "rev-parse", "HEAD^{tree}"], cwd=repository.top, capture_output=True, text=True)
    canary.unlink(missing_ok=True)
    object_ = repository.top / ".git" / "objects" / tree.stdout[:2] / tree.stdout.strip()[2:]
    moved = object_.rename(tmp_path / "object")
    assert repository.find() is None, "the tree is missing, and is not fetched"
    moved.rename(object_)
    assert not canary.exists()
    after = {path: path.stat().st_mtime_ns for path in (repository.top / ".git").rglob("*")}
    assert {path: time for path, time in after.items() if path.is_file()} == {
        path: time for path, time in before.items() if path.is_file()
    }


def test_a_replaced_commit_is_not_believed(repository: Repository) -> None:
    """`git replace` shows another object under a commit's name."""
    old = repository.head
    (repository.project / "fpack.fp").write_text("image = 2\n")
    repository.commit()
    repository.git("replace", repository.head, old)
    assert repository.find() == (repository.head, True)
