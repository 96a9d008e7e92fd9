"""Each check of `doctor` finds what is wrong, says what to do, and is quiet where nothing is."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from fpack.cli.doctor import installation, machine
from fpack.cli.doctor.machine import OK, PROBLEM, WARNING
from support.archives.archive import Archive
from support.fixtures import new_user as new_user
from support.fixtures import own_archive as own_archive
from support.processes.program import Fpack
from support.processes.terminal import on_terminal

DAY = 86400


def doctor(fpack: Fpack, *args: str, status: int = 0, **options: Any) -> dict[str, list[dict[str, str]]]:
    """Return the findings by name; the exit status tells whether one is a problem."""
    result = json.loads(fpack("doctor", "--json", *args, status=status, **options).stdout)
    assert result["problems"] == sum(each["state"] == PROBLEM for each in result["checks"])
    assert (result["problems"] > 0) == (status == 1)
    found: dict[str, list[dict[str, str]]] = {}
    for each in result["checks"]:
        found.setdefault(each["name"], []).append(each)
    return found


def states(findings: list[dict[str, str]]) -> list[str]:
    return [each["state"] for each in findings]


def test_a_machine_that_never_ran_fpack(fpack: Fpack) -> None:
    found = doctor(fpack)
    assert (
        "the first build creates" in found["store"][0]["text"]
        and str(fpack.home / "store") in found["store"][0]["text"]
    )
    assert states(found["mirror"]) == [OK, OK] and "trixie" in found["mirror"][0]["text"]
    assert states(found["keyring"]) == states(found["lock"]) == states(found["clock"]) == [OK]
    assert states(found["hard links"]) == [OK] and "database" not in found
    assert not (fpack.home / "store").exists()


def test_a_store_that_is_used(fpack: Fpack) -> None:
    fpack.pack("debian.trixie.hello")
    found = doctor(fpack, "--store")
    assert states(found["store"]) == states(found["database"]) == states(found["contents"]) == [OK]
    assert "are intact" in found["contents"][0]["text"]
    assert not [name for name in os.listdir(fpack.home / "store" / "tmp") if "doctor" in name]


def test_a_store_that_cannot_be(fpack: Fpack) -> None:
    (fpack.home / "file").write_text("")
    found = doctor(fpack, env={"FPACK_ROOT": str(fpack.home / "file" / "store")}, status=1)
    assert states(found["store"]) == [PROBLEM] and "FPACK_ROOT" in found["store"][0]["hint"]


def test_a_damaged_database(fpack: Fpack) -> None:
    fpack.pack("debian.trixie.hello")
    place = fpack.home / "store" / "db" / "fpack.sqlite"
    place.write_bytes(b"no database" * 1000)
    for extra in ("-wal", "-shm"):
        place.with_name(place.name + extra).unlink(missing_ok=True)
    found = doctor(fpack, "--store", status=1)
    assert states(found["database"]) == [PROBLEM] and states(found["contents"]) == [PROBLEM]


def test_damage_is_found_and_mended(fpack: Fpack) -> None:
    digest = fpack.pack("debian.trixie.hello")["digest"]
    words = next((fpack.home / "store" / "store").glob("*libgreet1*-slice/data/usr/share/greet/words"))
    good = words.read_text()
    words.chmod(0o644)
    words.write_text("Bad day!\n")
    words.chmod(0o444)
    os.utime(words, (1, 1))
    contents = doctor(fpack, "--store", status=1)["contents"]
    assert any(str(words.parents[4].name) in each["text"] for each in contents)
    assert "--repair" in contents[-1]["hint"]
    done = fpack("doctor", "--store", status=1)
    assert "problem" in done.stdout.splitlines()[-1]
    contents = doctor(fpack, "--store", "--repair")["contents"]
    assert set(states(contents)) == {WARNING} and contents[-1]["text"].startswith("removed: ")
    (fpack.home / "hello.tar").unlink()
    assert fpack.pack("debian.trixie.hello")["digest"] == digest
    assert words.read_text() == good
    assert states(doctor(fpack, "--store")["contents"]) == [OK]


def test_repair_needs_to_know_what_is_damaged(fpack: Fpack) -> None:
    assert "--store --repair" in fpack.fails("doctor", "--repair")


def test_mirrors_that_do_not_answer_are_a_warning(fpack: Fpack) -> None:
    found = doctor(fpack, env={"FPACK_MIRROR": "debian=file:///nowhere only"})
    assert states(found["mirror"]) == [WARNING]
    found = doctor(fpack, env={"FPACK_MIRROR": "only"})
    assert states(found["mirrors"]) == [WARNING]
    found = doctor(fpack, env={"FPACK_MIRROR": "gopher://x"}, status=1)
    assert states(found["mirrors"]) == [PROBLEM]


def test_mirrors_that_are_behind_or_ahead(fpack: Fpack, archive: Archive) -> None:
    archive.publish(date=time.time() - 30 * DAY, days=7)
    mirror = doctor(fpack)["mirror"][0]
    assert mirror["state"] == WARNING and "expired" in mirror["text"]
    archive.publish(date=time.time() + 30 * DAY)
    mirror = doctor(fpack, status=1)["mirror"][0]
    assert mirror["state"] == PROBLEM and "clock" in mirror["hint"]
    archive.inrelease().write_text("<html>welcome</html>")
    assert "not a signed index" in doctor(fpack, status=1)["mirror"][0]["text"]


def test_keyrings(fpack: Fpack) -> None:
    assert str(fpack.env["FPACK_KEYRING"]) in doctor(fpack)["keyring"][0]["text"]
    missing = doctor(fpack, env={"FPACK_KEYRING": "/nowhere"}, status=1)["keyring"]
    assert states(missing) == [PROBLEM] and "/nowhere" in missing[0]["text"]
    (fpack.home / "keys").write_text("no keys")
    assert states(doctor(fpack, env={"FPACK_KEYRING": str(fpack.home / "keys")}, status=1)["keyring"]) == [PROBLEM]


def test_locks(fpack: Fpack, archive: Archive) -> None:
    project = fpack.home / "project"
    project.mkdir()
    (project / "fpack.fp").write_text('image = container { packages = [import("fpack/debian").trixie.hello] }')
    assert states(doctor(fpack, cwd=project)["lock"]) == [OK]
    fpack("lock", cwd=project)
    assert "0 days ago" in doctor(fpack, cwd=project)["lock"][0]["text"]
    archive.publish(date=time.time() - 60 * DAY, days=7)
    (project / "fpack.lock").unlink()
    fpack("lock", "--accept-expired", cwd=project)
    old = doctor(fpack, cwd=project)["lock"]
    assert (
        states(old) == [WARNING, WARNING] and old[0]["hint"] == "fpack update" and "trixie-security" in old[1]["text"]
    )
    (project / "fpack.lock").write_text("nonsense")
    broken = doctor(fpack, cwd=project, status=1)["lock"]
    assert states(broken) == [PROBLEM] and "fpack.lock" in broken[0]["text"]


def test_a_clock_that_runs_behind(fpack: Fpack) -> None:
    class Lockless:
        def read_lock(self) -> Any:
            return type("Lock", (), {"suites": {}})

    assert installation.clock(Lockless(), time.time()).state == OK  # type: ignore[arg-type]
    finding = installation.clock(Lockless(), 1_000_000.0)  # type: ignore[arg-type]
    assert finding.state == PROBLEM and "1970" in finding.text


def test_lines_on_a_terminal_fit_and_have_colours(fpack: Fpack) -> None:
    text = on_terminal(fpack, "doctor", columns=70)
    long = [line for line in text.splitlines() if len(line) > 70]
    assert not [line for line in long if " " in line.strip() and "/" not in line], long
    assert "\x1b[32mok" in on_terminal(fpack, "doctor", color=True)


# The machine.


def test_free_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def statvfs(free: int, inodes: int) -> Any:
        return os.statvfs_result((4096, 4096, 10**9, free // 4096, free // 4096, 10**9, inodes, inodes, 0, 255))

    for free, inodes, expected in [
        (10**10, 10**6, [OK, OK]), (10**9, 10**6, [WARNING, OK]), (10**8, 10, [PROBLEM, WARNING]),
    ]:  # fmt: skip
        monkeypatch.setattr(machine.os, "statvfs", lambda place, f=free, i=inodes: statvfs(f, i))
        assert [each.state for each in machine.free_space(tmp_path / "not" / "there")] == expected


def test_file_systems(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    store = tmp_path / "a b"
    store.mkdir()
    mount = str(store).replace(" ", "\\040")
    (tmp_path / "self" / "mountinfo").write_text(
        f"1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n2 1 0:9 / {mount} rw - nfs4 host:/x rw\ngarbage\n"
    )
    finding = machine.file_system(store / "below", tmp_path)
    assert finding.state == WARNING and "nfs4" in finding.text and str(store) in finding.text
    assert machine.file_system(Path("/"), tmp_path) == ("file system", OK, "ext4 at /", "")


def test_hard_links_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.hard_links(tmp_path).state == OK

    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(machine.os, "link", refuse)
    finding = machine.hard_links(tmp_path)
    assert finding.state == PROBLEM and "not permitted" in finding.text and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sysctl", "value", "advice"),
    [
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
    ],
)
def test_namespaces_that_a_setting_forbids(tmp_path: Path, sysctl: str, value: str, advice: str) -> None:
    place = tmp_path / "sys" / sysctl
    place.parent.mkdir(parents=True)
    place.write_text(value + "\n")
    finding = machine.namespaces(tmp_path, errno.EPERM)
    assert finding.state == WARNING and advice in finding.hint
    assert machine.namespaces(tmp_path, 0).state == OK  # what can be done counts, not what is set


def test_namespaces_that_something_else_forbids(tmp_path: Path) -> None:
    finding = machine.namespaces(tmp_path, errno.ENOSPC)
    assert finding.state == WARNING and os.strerror(errno.ENOSPC) in finding.text


def programs(folder: Path, *names: str) -> dict[str, str]:
    """Return an environment with these programs and no other."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho {name} version 1\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder), "HOME": str(folder), "CONTAINERS_CONF": str(folder / "containers.conf")}


def kernel(folder: Path, *, files: int = 1 << 20, capabilities: int = 0, cgroup2: bool = True) -> tuple[Path, Path]:
    """Let /proc and /sys describe another machine."""
    (folder / "proc" / "self").mkdir(parents=True)
    (folder / "proc" / "self" / "limits").write_text(f"Limit\nMax open files            1024   {files}   files\n")
    (folder / "proc" / "self" / "status").write_text(f"Name:\tx\nCapEff:\t{capabilities:016x}\n")
    (folder / "sys" / "fs" / "cgroup").mkdir(parents=True)
    if cgroup2:
        (folder / "sys" / "fs" / "cgroup" / "cgroup.controllers").write_text("cpu")
    return folder / "proc", folder / "sys"


def test_nothing_runs_images(tmp_path: Path) -> None:
    (finding,) = machine.runtimes(*kernel(tmp_path), programs(tmp_path / "bin"), 0)
    assert (finding.name, finding.state) == ("runtime", WARNING) and "podman" in finding.hint


def test_podman_that_works(tmp_path: Path) -> None:
    (finding,) = machine.runtimes(*kernel(tmp_path), programs(tmp_path / "bin", "podman"), 0)
    assert finding.state == OK and "podman version 1" in finding.text


def test_podman_that_may_not_raise_limits(tmp_path: Path) -> None:
    proc, sys = kernel(tmp_path, files=4096)
    environ = programs(tmp_path / "bin", "podman")
    (finding,) = machine.runtimes(proc, sys, environ, 0)
    assert finding.state == WARNING and "RLIMIT_NOFILE" in finding.text and environ["CONTAINERS_CONF"] in finding.hint
    conf = Path(environ["CONTAINERS_CONF"])
    conf.write_text('[containers]\n# default_ulimits = ["nofile=1:1"]\n')
    assert next(machine.runtimes(proc, sys, environ, 0)).state == WARNING
    conf.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024"]\n')
    assert next(machine.runtimes(proc, sys, environ, 0)).state == OK
    able, _ = kernel(tmp_path / "able", files=4096, capabilities=1 << 24)
    conf.unlink()
    assert next(machine.runtimes(able, sys, environ, 0)).state == OK


def test_crun_on_old_control_groups(tmp_path: Path) -> None:
    proc, sys = kernel(tmp_path, cgroup2=False)
    environ = programs(tmp_path / "bin", "podman", "crun")
    (finding,) = machine.runtimes(proc, sys, environ, 0)
    assert finding.state == WARNING and "crun" in finding.text
    Path(environ["CONTAINERS_CONF"]).write_text('[engine]\nruntime = "runc"\n')
    assert next(machine.runtimes(proc, sys, environ, 0)).state == OK


def test_podman_of_a_user_without_subordinate_ids(tmp_path: Path) -> None:
    proc, sys = kernel(tmp_path)
    (finding,) = machine.runtimes(proc, sys, programs(tmp_path / "bin", "podman"), 4_000_000)
    assert finding.state == WARNING and "uidmap" in finding.hint
    (finding,) = machine.runtimes(proc, sys, programs(tmp_path / "bin", "newuidmap", "newgidmap"), 4_000_000)
    assert finding.state == WARNING and "subuid" in finding.text


def test_docker_without_its_daemon(tmp_path: Path) -> None:
    environ = programs(tmp_path / "bin", "docker") | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    (finding,) = machine.runtimes(*kernel(tmp_path), environ, 0)
    assert (finding.name, finding.state) == ("docker", WARNING)
    (tmp_path / "none.sock").touch()
    assert next(machine.runtimes(tmp_path / "proc", tmp_path / "sys", environ, 0)).state == OK
    environ["DOCKER_HOST"] = "tcp://127.0.0.1:1"
    assert next(machine.runtimes(tmp_path / "proc", tmp_path / "sys", environ, 0)).state == OK


def test_another_compressor_than_the_pinned_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    found = {each.name: each for each in machine.versions()}
    assert found["zstandard"].state == OK and found["zstandard"].text == metadata.version("zstandard")
    monkeypatch.setattr(machine, "_installed", lambda name: "0.1.0")
    found = {each.name: each for each in machine.versions()}
    assert found["zstandard"].state == WARNING and "digests" in found["zstandard"].text


def test_it_imports_little(fpack: Fpack) -> None:
    """What a check needs is imported, and nothing of the language, of the network or of terminals."""
    done = fpack("doctor", "--offline", env={"PYTHONPROFILEIMPORTTIME": "1"})
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    heavy = {
        "asyncio", "email.message", "fpack.lang.evaluator", "http.client", "importlib.metadata", "lark", "rich", "ssl",
        "urllib3", "yaml", "zstandard",
    }  # fmt: skip
    assert "fpack.cli.doctor.store" in modules and modules & heavy == set()
    assert len(modules) < 230
