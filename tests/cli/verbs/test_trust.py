"""Test which directories a hook enters: those that the user named or entered, while they are the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.needs import needs_bubblewrap
from support.processes.people import Person

pytestmark = needs_bubblewrap

PROJECT = """
debian = import("fpack/debian").trixie
shell = shell { name = "site", packages = [debian.greet], env = { LEVEL = "own" } }
"""


@pytest.fixture
def project(user: Person, tmp_path: Path) -> Path:
    return user.project(tmp_path.name, PROJECT)


def hook(user: Person, project: Path | str, kind: str = "bash") -> subprocess.CompletedProcess[str]:
    return user("hook", kind, "--enter", str(project))


def is_entered(user: Person, project: Path) -> bool:
    done = hook(user, project)
    assert ("_FPACK_WAIT=" in done.stdout) != ("LEVEL='own'" in done.stdout)
    return "LEVEL='own'" in done.stdout


def test_it_is_trusted_by_its_name_or_by_entering_it(user: Person, project: Path) -> None:
    assert not is_entered(user, project)
    below = project / "below"
    below.mkdir()
    user.own(below)
    assert user("trust", cwd=below).stdout == f"{project} is trusted: the hook enters its shell\n"
    assert is_entered(user, project)
    assert user("untrust", str(project)).stdout == f"{project} is no longer trusted\n"
    assert user("untrust", cwd=project).stdout == f"{project} was not trusted\n"
    assert not is_entered(user, project)
    user("shell", "--", "true", cwd=below)
    assert is_entered(user, project)
    user("untrust", cwd=below)
    assert not is_entered(user, project)
    user("shell", "--", "true", cwd=project)
    assert is_entered(user, project), "also where the shell was kept"


def test_what_enters_nothing_trusts_nothing(user: Person, project: Path) -> None:
    for words in (["shell", "--print-env"], ["shell", "--print-env=json"], ["shell", "--devcontainer"],
                  ["run", "debian.trixie.greet"], ["eval", "fpack.fp#shell.name"], ["hook", "bash", "--enter", "."],
                  ["shell", "debian.trixie.greet", "--", "true"], ["build", "shell"]):  # fmt: skip
        for _ in range(2):
            user(*words, cwd=project, status=None)
            assert not is_entered(user, project), words


def test_another_directory_in_its_place_is_not_trusted(user: Person, project: Path) -> None:
    user("trust", str(project))
    assert is_entered(user, project)
    away = project.with_name(f"away-{project.name}")
    project.rename(away)
    user.project(project.name, PROJECT)
    assert not is_entered(user, project)
    # Nor is the first one again, once the hook has seen that it is not what it was.
    shutil.rmtree(project)
    away.rename(project)
    assert not is_entered(user, project)
    # A number may be given to a new directory as soon as the old one is gone.
    user("trust", str(project))
    shutil.rmtree(project)
    for _ in range(20):
        user.project(project.name, PROJECT)
        assert not is_entered(user, project)
        shutil.rmtree(project)


def test_a_link_in_its_place_leads_to_what_that_is(user: Person, project: Path) -> None:
    other = user.project(f"{project.name}-other", PROJECT)
    user("trust", str(project))
    project.rename(project.with_name(f"away-{project.name}"))
    project.symlink_to(other)
    assert not is_entered(user, project)
    user("trust", str(project))
    assert json.loads(user("trust", "--list", "--json").stdout)["trusted"][-1:] != [str(project)]
    assert is_entered(user, other)


@pytest.mark.parametrize(
    "fault", ["directory", "file", "link", "target", "everyone", "everyone-file", "gone", "folder"]
)
def test_one_that_others_have_a_say_in_is_never_entered(user: Person, project: Path, fault: str) -> None:
    """Also not where it was trusted before."""
    if os.geteuid() != 0 and fault in ("directory", "file", "link", "target"):
        pytest.skip("only root can give files to another user")
    user("trust", str(project))
    file = project / "fpack.fp"
    if fault in ("link", "target"):
        file.rename(project / "real.fp")
        file.symlink_to("real.fp")
        os.chown(file, user.uid, user.uid, follow_symlinks=False)
        assert is_entered(user, project)
    changed = {"directory": project, "file": file, "link": file, "target": project / "real.fp"}
    if fault in changed:
        os.chown(changed[fault], user.stranger, -1, follow_symlinks=False)
    elif fault == "everyone":
        project.chmod(0o1777)
    elif fault == "everyone-file":
        file.chmod(0o666)
    else:
        file.unlink()
        if fault == "folder":
            file.mkdir()
    text = user.fails("trust", str(project))
    assert "cannot be trusted" in text
    assert not is_entered(user, project)
    assert "never entered" in hook(user, project).stderr
    user("shell", "--", "true", cwd=project, status=None)
    assert not is_entered(user, project)


def test_a_prompt_says_it_once(user: Person, project: Path) -> None:
    """Also where a mark is there that is another directory's."""
    user("trust", str(project))
    project.rename(project.with_name(f"away-{project.name}"))
    user.project(project.name, PROJECT)
    (project / "hook").write_text(user("hook", "bash").stdout)
    script = ". ./hook; _fpack_hook; _fpack_hook; _fpack_hook; fpack() { :; }; echo end"
    done = user.run("/bin/bash", "--norc", "-c", script, cwd=project)
    assert done.stderr.count("lets the hook enter it") == 1 and done.stdout == "end\n"


def test_the_list(user: Person, project: Path) -> None:
    user("trust", str(project))
    assert str(project) in user("trust", "--list").stdout.splitlines()
    assert json.loads(user("trust", str(project), "--json").stdout) == {"directory": str(project), "trusted": True}
    said = json.loads(user("untrust", str(project), "--json").stdout)
    assert said == {"directory": str(project), "trusted": False, "was": True}
    assert str(project) not in user("trust", "--list").stdout
    assert "leave the directory out" in user.fails("trust", "--list", str(project))


def test_a_directory_that_is_gone_can_be_forgotten(user: Person, project: Path) -> None:
    user("trust", str(project))
    shutil.rmtree(project)
    assert user("untrust", str(project)).stdout == f"{project} is no longer trusted\n"


def test_where_there_is_no_project_it_says_so(user: Person) -> None:
    for verb in ("trust", "untrust"):
        assert "no fpack.fp here" in user.fails(verb, cwd=Path("/"))
    assert "there is no fpack.fp" in user.fails("trust", str(user.home))


def test_the_name_of_a_directory_is_no_command(user: Person, project: Path) -> None:
    folder = user.project(f"{project.name}\x1b]0;x\x07'$(touch pwned)", PROJECT)
    done = hook(user, folder)
    assert "\x1b" not in done.stderr and "has a shell" in done.stderr
    (project / "text").write_text(done.stdout)
    for kind in ("bash", "zsh"):
        if program := shutil.which(kind):
            user.run(program, "-c", ". ./text", cwd=project)
    assert not (project / "pwned").exists()
    user("trust", str(folder))
    (project / "text").write_text(hook(user, folder).stdout)
    assert user.run("/bin/sh", "-c", ". ./text; echo $LEVEL", cwd=project).stdout == "own\n"
    assert not (project / "pwned").exists()
    user("untrust", str(folder))


def test_a_change_of_a_trusted_project_counts(user: Person, project: Path) -> None:
    """A directory is trusted with what becomes of it: no digest of a file covers the sources that a shell is of."""
    user("trust", str(project))
    (project / "fpack.fp").write_text(PROJECT.replace('"own"', '"changed"'))
    user.own(project)
    assert "LEVEL='changed'" in hook(user, project).stdout
