"""Files of other users in shared directories: fpack executes, sources and connects to none of them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from fpack.cli.shells.model import Closure
from fpack.cli.shells.sandbox import environment
from support.archives.shells import machine
from support.needs import needs_bubblewrap
from support.processes.people import Person
from support.time_limits import WAIT

pytestmark = needs_bubblewrap

PROJECT = """
debian = import("fpack/debian").trixie
shell = shell {
  name = "site"
  packages = [debian.greet]
  services = {
    a-service-with-a-long-name = service {
      packages = [debian.greet]
      start = "trap 'exit 0' TERM; touch \\"$RUN/up\\"; while :; do sleep 0.05; done"
      ready = "test -e \\"$RUN/up\\""
      exports = { RUN_OF_IT = "$RUN" }
      seconds = 20
    }
  }
}
"""
SHOWN = ("shell", "--", "sh", "-c", 'echo "$RUN_OF_IT"; ls "$RUN_OF_IT"')


@pytest.fixture
def project(user: Person, tmp_path: Path) -> Path:
    return user.project(tmp_path.name, PROJECT)


def stranger(user: Person) -> int:
    """Return the number of another user, to whom files can be given."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    return user.stranger


def run_of(user: Person, project: Path, **env: str) -> Path:
    """Return the directory of a service's sockets."""
    place, up = user(*SHOWN, cwd=project, env=env).stdout.splitlines()
    assert up == "up"
    return Path(place)


def test_a_directory_in_tmp_that_somebody_made_first_is_not_used(
    user: Person, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the name of a user's directory for sockets would be connected to, or could keep services from it."""
    tmp = user.place / f"tmp-{project.name}"
    trap = tmp / f"fpack-{user.uid}"
    trap.mkdir(parents=True)
    tmp.chmod(0o1777)
    os.chown(trap, stranger(user), -1)
    trap.chmod(0o777)
    monkeypatch.setattr(user, "prefix", (*machine({"/tmp": tmp}), *user.prefix))
    place = run_of(user, project)
    assert Path("/tmp") not in place.parents and list(trap.iterdir()) == []


@pytest.mark.parametrize("options", [(), ("--container",)])
def test_sockets_lie_with_the_users_other_ones(
    user: Person, project: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    run = user.place / f"run-{project.name}"
    runtime = run / "user/1000"
    runtime.mkdir(parents=True)
    runtime.chmod(0o700)
    os.chown(runtime, user.uid, user.uid)
    monkeypatch.setattr(user, "prefix", (*machine({"/run": run}), *user.prefix))
    shown = ("shell", *options, *SHOWN[1:])
    place, up = user(*shown, cwd=project, env={"XDG_RUNTIME_DIR": "/run/user/1000"}).stdout.splitlines()
    assert place.startswith("/run/user/1000/fpack/") and len(place) <= 107 - 27 and up == "up"
    assert [each.name for each in runtime.rglob("*")] == ["fpack"], "it is gone with the shell"


@pytest.mark.parametrize("fault", ["owner", "mode", "link", "parent", "absent", "relative", "file"])
def test_a_runtime_directory_that_others_reach_is_not_used(user: Person, project: Path, fault: str) -> None:
    above = user.place / f"above-{fault}-{project.name[-3:]}"
    above.mkdir(mode=0o700)
    runtime = above / "run"
    runtime.mkdir(mode=0o700)
    user.own(above)
    value = str(runtime)
    if fault == "owner":
        os.chown(runtime, stranger(user), -1)
        above.chmod(0o755)
        runtime.chmod(0o777)
    elif fault == "mode":
        runtime.chmod(0o750)
    elif fault == "link":
        runtime.rename(above / "real")
        runtime.symlink_to("real")
        os.chown(runtime, stranger(user), -1, follow_symlinks=False)
    elif fault == "parent":
        os.chown(above, stranger(user), -1)
        above.chmod(0o777)
    elif fault == "absent":
        runtime.rmdir()
    elif fault == "relative":
        value = "run"
    elif fault == "file":
        runtime.rmdir()
        runtime.touch()
    place = run_of(user, project, XDG_RUNTIME_DIR=value)
    assert user.state in place.parents and len(str(place)) <= 107 - 27
    place = Path(value)
    assert not place.is_dir() or list(place.iterdir()) == []


def test_where_no_path_is_short_enough_the_name_cannot_be_known_before(user: Person, project: Path) -> None:
    env = {"XDG_STATE_HOME": str(user.home / ("a-long-name" * 8))}
    first = run_of(user, project, **env)
    assert first.parent == Path("/tmp") and not first.exists(), "it is gone with the shell"
    first.mkdir(mode=0o777)
    try:
        os.chown(first, stranger(user), -1)
        second = run_of(user, project, **env)
        assert second.parent == Path("/tmp") and second != first and list(first.iterdir()) == []
    finally:
        first.rmdir()


def test_two_shells_of_a_project_have_the_same_sockets(user: Person, project: Path) -> None:
    env = {"XDG_STATE_HOME": str(user.home / ("a-long-name" * 8))}
    for more in ({}, env):
        outer = subprocess.Popen(
            user.command("shell", "--", "sh", "-c", 'echo "$RUN_OF_IT"; read line'), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, cwd=project, env={**user.env, **more},
        )  # fmt: skip
        assert outer.stdout is not None
        place = outer.stdout.readline().strip()
        assert str(run_of(user, project, **more)) == place and Path(place, "up").exists()
        outer.communicate("\n", timeout=WAIT)
        assert outer.returncode == 0 and not Path(place).exists()


def test_a_socket_can_be_made_in_the_longest_place(tmp_path: Path) -> None:
    from fpack.cli.shells.services.sockets import MAX_FOLDER

    folder = tmp_path / ("x" * (MAX_FOLDER - len(str(tmp_path)) - 1))
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"{folder}/.s.PGSQL.5432.of.postgres")


PLACES = {"cache": "XDG_CACHE_HOME", "state": "XDG_STATE_HOME"}
REFUSED = re.compile("is not safe|Another user can change")  # of a folder, and of the indexes that lie in it


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("fault", ["owner", "writable", "home"])
def test_what_is_kept_where_another_user_could_replace_it_is_not_used(
    user: Person, project: Path, kind: str, fault: str
) -> None:
    """Scripts, /etc, shims and sockets lie there: they are sourced and run."""
    home = user.home / f"{kind}-{fault}-{project.name}"
    home.mkdir()
    user.own(home)
    env = {PLACES[kind]: str(home / "kept")}
    assert user(*SHOWN, cwd=project, env=env).stdout.endswith("\nup\n")
    places = [each for each in (home / "kept/fpack").rglob("*") if len(each.name) >= 32 and each.is_dir()]
    place = min(places, key=lambda each: len(each.parts))
    changed = place if fault == "writable" else place.parent if fault == "owner" else home
    if fault == "writable":
        changed.chmod(0o777)
    else:
        os.chown(changed, stranger(user), -1)
        changed.chmod(0o777)
    text = user.fails(*SHOWN, cwd=project, env=env)
    assert REFUSED.search(text) and PLACES[kind] in text
    if kind == "cache":
        text = user.fails("shell", "--print-env", cwd=project, env=env)
        assert REFUSED.search(text)


def test_a_mark_of_trust_that_another_user_made_counts_for_nothing(user: Person, project: Path) -> None:
    user("trust", cwd=project)
    (mark,) = (each for each in (user.state / "entered").iterdir() if str(project) in each.read_text())
    assert str(project) in json.loads(user("trust", "--list", "--json").stdout)["trusted"]
    os.chown(mark, stranger(user), -1)
    mark.chmod(0o644)
    assert str(project) not in json.loads(user("trust", "--list", "--json").stdout)["trusted"]
    mark.unlink()


def test_start_up_files_name_nothing_in_tmp() -> None:
    for name, text in environment.scripts(Closure("x", "/store/views/1/abc-root/root")).items():
        assert "/tmp" not in text and "TMPDIR" not in text, name
