"""Hostile programs in `fpack try`, as root and as a user."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.shells import packages_of
from support.processes.people import MODES, WITH_IDS, Person, person

PROJECT = """
debian = import("fpack/debian").trixie
image = container { packages = [debian.python, debian.bash, debian.coreutils, debian.tools], command = ["bash"] }
"""
ATTACKS = {
    "mount": "mount -t tmpfs none /mnt",
    "namespace": "unshare -U true",
    "variables of fpack": '[ -n "$(cat /proc/1/environ)" ]',
    "files of fpack": "ls /proc/1/fd/ | [ $(wc -l) -gt 0 ] && ls -l /proc/1/fd/1",
    "kernel's settings": "echo 1 > /proc/sys/kernel/panic",
    "device": "mknod /tmp/disk b 8 0",
    "set-id root": "chmod u+s /usr/bin/id && setpriv --reuid 43 --regid 43 --clear-groups sh -c 'test $(id -u) = 0'",
}


@pytest.fixture(scope="module", params=[*MODES, WITH_IDS])
def victim(request: pytest.FixtureRequest) -> Iterator[Person]:
    for tool in ("setpriv", "unshare", "mknod", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    with person(request.param) as made:
        assert made.archive is not None
        made.archive.add("tools", files=packages_of("setpriv", "unshare", "mknod", "mount"), packing="zst")
        made.archive.add("python")
        made.archive.publish()
        made.project("project", PROJECT)
        yield made


def attack(user: Person, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the image."""
    return user("try", *options, "--", "bash", "-c", script, cwd=user.place / "project", status=None)


@pytest.mark.parametrize("options", [(), ("--no-observe",)])
def test_the_sandbox_holds_with_and_without_an_observer(victim: Person, options: tuple[str, ...]) -> None:
    lines = [
        f'if {script}; then echo "{name}: succeeded"; else echo "{name}: refused"; fi'
        for name, script in ATTACKS.items()
    ]
    done = attack(victim, "\n".join(lines), *options)
    told = [line for line in done.stdout.splitlines() if ": " in line]
    assert told == [f"{name}: refused" for name in ATTACKS], done.stdout + done.stderr


def test_an_observer_adds_no_rights(victim: Person) -> None:
    script = """
        while read -r name value; do
          case $name in Cap*|NoNewPrivs:|Uid:|Gid:|Groups:) echo $name $value ;; esac
        done < /proc/self/status
        ls -l /proc/self/fd /proc/1/fd 2>/dev/null | wc -l
    """
    observed, plain = attack(victim, script).stdout, attack(victim, script, "--no-observe").stdout
    assert observed == plain and "NoNewPrivs: 1" in observed
    capabilities = {line.split()[1] for line in observed.splitlines() if line.startswith("Cap")}
    assert max(int(each, 16) for each in capabilities) <= 0x404FF, "no more than maintainer scripts have"
    count = "while read -r name value; do case $name in Seccomp_filters:) echo $value;; esac; done < /proc/self/status"
    filters = [int(attack(victim, count, *options).stdout) for options in ((), ("--no-observe",))]
    assert filters[0] == filters[1] >= 2, "that of builds, and that of the observer, who serves ports always"


def test_nothing_of_the_machine_is_visible(victim: Person) -> None:
    (victim.place / "secret").write_text("secret")
    script = f"cat {victim.place}/secret; cat /proc/*/cmdline | wc -c; echo /proc/[0-9]*"
    processes = attack(victim, script).stdout.splitlines()
    assert processes[-1].startswith("/proc/1 /proc/2") and len(processes[-1].split()) < 6 and "secret" not in processes


def test_the_store_stays_as_it_is(victim: Person) -> None:
    attack(victim, "chmod 777 /usr/bin/bash; echo evil > /usr/bin/id; rm -rf /usr/lib")
    assert attack(victim, "id >/dev/null && echo fine").stdout == "fine\n"
    victim("store", "verify")


def test_names_without_end_take_no_memory_without_end(victim: Person) -> None:
    script = "for ((i = 0; i < 12000; i++)); do [ -e /usr/share/$i/" + "x" * 900 + " ]; done; echo end"
    done = victim("try", "--json", "--", "bash", "-c", script, cwd=victim.place / "project")
    assert "end" in done.stderr and json.loads(done.stdout)["missing"] == []


def test_what_the_program_leaves_running_ends_with_it(victim: Person) -> None:
    done = attack(victim, "(trap '' TERM HUP INT; exec -a left-running sleep 4711) & disown; echo $!")
    assert done.returncode == 0
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"left-running" in command for command in commands)


def test_the_command_ends_if_fpack_is_killed(victim: Person) -> None:
    process = subprocess.Popen(
        victim.command("try", "--", "bash", "-c", "echo up; exec -a orphan-of-fpack sleep 4712"), env=victim.env,
        cwd=victim.place / "project", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.kill()
    assert process.stdout.read() == "", "everything that had the pipe has ended"
    process.wait()
