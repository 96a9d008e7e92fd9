"""Roots with the server of a package: what precedes it, and which programs get a minimal process 1."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.archives.debs import Item, file, symlink
from support.stores.elves import elf
from support.stores.fake_roots import Made, Roots
from support.stores.task import FakeStore

LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBC = [
    file("./usr/lib/x86_64-linux-gnu/libc.so.6", elf(soname="libc.so.6")),
    file("./usr/lib64/ld-linux-x86-64.so.2", elf(soname="ld-linux-x86-64.so.2"), 0o755),
]
PROGRAM = elf("libc.so.6", interp=LOADER)
SERVER = PROGRAM + b"\xff Go buildinf:"  # ends when it gets SIGTERM
SHELL = [file("./usr/bin/sh", PROGRAM, 0o755), file("./usr/bin/sleep", PROGRAM, 0o755)]
FORKING = file("./usr/lib/systemd/system/app.service", "[Service]\nType=forking\nExecStart=/usr/sbin/appd\n")


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    found = Roots(FakeStore(tmp_path / "root"))
    found.package("libc6", *LIBC, seed=True)
    found.package("tini", file("./usr/bin/tini", PROGRAM, 0o755))
    return found


def build(roots: Roots, mode: str = "depends", **service: Any) -> Made:
    return roots.build(mode, lazily=True, service=[{"package": "app", **service}])


@pytest.mark.parametrize("mode", ["depends", "linked"])
@pytest.mark.parametrize("name", ["script", "python3", "php8.4", "java"])
def test_an_interpreter_is_not_process_1(roots: Roots, mode: str, name: str) -> None:
    program = file("./usr/bin/app", "#!/usr/bin/perl\n", 0o755)
    items = (
        [program] if name == "script" else [file(f"./usr/bin/{name}", PROGRAM, 0o755), symlink("./usr/bin/app", name)]
    )
    roots.package("app", *items, seed=True)
    made = build(roots, mode, init_if_needed=True)
    assert made.extra["service"] == {"prefix": ["/usr/bin/tini", "--"]}
    assert made.reasons()["tini"] == (None, "asked", "", "process 1, which runs the program of app")


@pytest.mark.parametrize("mode", ["depends", "linked"])
def test_a_program_that_may_ignore_sigterm_is_not_process_1(roots: Roots, mode: str) -> None:
    roots.package("app", file("./usr/bin/app", PROGRAM, 0o755), seed=True)
    made = build(roots, mode, init_if_needed=True)
    assert made.extra["service"] == {"prefix": ["/usr/bin/tini", "--"]} and "tini" in made.reasons()


@pytest.mark.parametrize("mode", ["depends", "linked"])
def test_a_program_that_ends_is_process_1(roots: Roots, mode: str) -> None:
    roots.package("app", file("./usr/bin/app", SERVER, 0o755), seed=True)
    made = build(roots, mode, init_if_needed=True)
    assert made.extra["service"] == {} and "tini" not in made.reasons() and ["tini"] not in made.needs


def test_an_interpreter_is_process_1_if_the_container_says_so(roots: Roots) -> None:
    roots.package("app", file("./usr/bin/app", "#!/usr/bin/perl\n", 0o755), seed=True)
    made = build(roots)
    assert made.extra["service"] == {} and "tini" not in made.reasons()


def test_a_server_that_forks_has_a_script_and_is_not_process_1(roots: Roots) -> None:
    roots.package("app", file("./usr/sbin/appd", PROGRAM, 0o755), FORKING, *SHELL, seed=True)
    made = build(roots, init_if_needed=True)
    assert made.extra["service"]["entrypoint"] == ["/usr/bin/tini", "--", "/usr/lib/fpack/start", "/usr/sbin/appd"]
    assert "tini" in made.reasons()
    script = made.data / "usr/lib/fpack/start"
    assert script.read_text().startswith("#!/bin/sh\n")
    assert os.access(script, os.X_OK)  # sandboxes and shells show the file as it lies in the store


def test_a_shell_that_runs_a_script_is_not_process_1(roots: Roots) -> None:
    unit = file("./usr/lib/systemd/system/app.service", "[Service]\nExecStart=/bin/sh /usr/lib/app/start\n")
    roots.package("app", unit, *SHELL, seed=True)
    made = build(roots, init_if_needed=True)
    assert made.extra["service"]["entrypoint"] == ["/usr/bin/tini", "--", "/bin/sh", "/usr/lib/app/start"]


@pytest.mark.parametrize("mode", ["depends", "linked"])
def test_a_server_that_forks_gets_what_its_script_needs(roots: Roots, mode: str) -> None:
    roots.package("app", file("./usr/sbin/appd", PROGRAM, 0o755), FORKING, seed=True)
    roots.package("dash", SHELL[0])
    roots.package("coreutils", SHELL[1])
    made = build(roots, mode, init_if_needed=True)
    assert made.extra["service"]["entrypoint"] == ["/usr/bin/tini", "--", "/usr/lib/fpack/start", "/usr/sbin/appd"]
    assert made.reasons()["coreutils"] == (None, "calls", "/usr/lib/fpack/start", "/usr/bin/sleep")
    assert made.reasons()["dash"] == (None, "script", "/usr/lib/fpack/start", "/bin/sh")
    assert {"dash", "tini"} <= made.reasons().keys()
    assert not any("to fork" in line for line in made.lines)


def unit(*lines: str) -> Item:
    return file(
        "./usr/lib/systemd/system/app.service", "\n".join(("[Service]", "ExecStart=/usr/sbin/appd", *lines, ""))
    )


@pytest.mark.parametrize("mode", ["depends", "linked"])
def test_steps_get_the_shell_and_the_programs_that_they_name(roots: Roots, mode: str) -> None:
    lines = ["ExecStartPre=touch /tmp/x", "ExecStartPre=/bin/sh -c 'mktemp | grep x'", "ExecStartPre=-/usr/bin/absent"]
    roots.package("app", file("./usr/sbin/appd", SERVER, 0o755), unit(*lines), seed=True)
    roots.package("dash", SHELL[0])
    programs = [file(f"./usr/bin/{name}", PROGRAM, 0o755) for name in ("touch", "mktemp")]
    roots.package("coreutils", *programs, depends="libacl1")
    roots.package("libacl1", file("./usr/share/acl", ""))
    roots.package("grep", file("./usr/bin/grep", PROGRAM, 0o755))
    roots.package("sed", file("./usr/bin/sed", PROGRAM, 0o755))
    made = build(roots, mode, init_if_needed=True)
    assert made.extra["service"]["entrypoint"] == ["/usr/lib/fpack/start", "/usr/sbin/appd"]
    assert {"dash", "coreutils", "grep"} <= made.reasons().keys() and "sed" not in made.reasons()
    assert made.reasons()["coreutils"] == (None, "calls", "/usr/lib/fpack/start", "/usr/bin/touch")
    assert ("libacl1" in made.reasons()) == (mode == "depends")
    assert "/usr/bin/touch /tmp/x || exit\n" in (made.data / "usr/lib/fpack/start").read_text()
    assert "notes" not in made.extra["service"]


def test_a_linked_root_gets_the_program_of_a_step_from_a_dependency(roots: Roots) -> None:
    lines = ["ExecStartPre=/usr/lib/tools/prepare", "ExecStartPre=/usr/bin/nowhere"]
    roots.package("app", file("./usr/sbin/appd", SERVER, 0o755), unit(*lines), seed=True, depends="other-package libc6")
    roots.package("other-package", file("./usr/lib/tools/prepare", "#!/bin/sh\n", 0o755))
    roots.package("unrelated", file("./usr/lib/tools/more", "#!/bin/sh\n", 0o755))
    roots.package("dash", SHELL[0])
    made = build(roots, "linked", init_if_needed=True)
    assert made.reasons()["other-package"] == (None, "calls", "/usr/lib/fpack/start", "/usr/lib/tools/prepare")
    assert ["unrelated"] not in made.needs
    note = "the unit's step '/usr/bin/nowhere' is left out: the image has no /usr/bin/nowhere"
    assert made.extra["service"]["notes"] == [note] and note in made.lines


@pytest.mark.parametrize("mode", ["depends", "linked"])
def test_the_first_start_gets_its_shell_and_programs(roots: Roots, mode: str) -> None:
    roots.package("app", file("./usr/sbin/appd", SERVER, 0o755), unit(), seed=True)
    roots.package("dash", SHELL[0])
    roots.package("coreutils", file("./usr/bin/touch", PROGRAM, 0o755))
    step = {"creates": "/var/x", "command": ["/bin/sh", "-c", "touch /var/x"]}
    made = build(roots, mode, first_start=[step])
    assert made.extra["service"]["entrypoint"] == ["/usr/lib/fpack/start", "/usr/sbin/appd"]
    assert {"dash", "coreutils"} <= made.reasons().keys()


@pytest.mark.parametrize("complete", [True, False])
def test_a_first_start_as_root_leaves_the_server_to_the_user_of_its_unit(roots: Roots, complete: bool) -> None:
    declared = file("./usr/lib/sysusers.d/app.conf", 'u app - "App" /var/lib/app\n')
    roots.package("app", file("./usr/sbin/appd", SERVER, 0o755), unit("User=app"), declared, *SHELL, seed=True)
    programs = [file("./usr/bin/id", PROGRAM, 0o755), file("./usr/bin/setpriv", PROGRAM, 0o755)]
    roots.package("util-linux", *(programs if complete else programs[:1]))
    made = build(roots, first_start=[{"creates": "/var/x", "command": ["/bin/sh", "-c", ":"]}])
    service, script = made.extra["service"], (made.data / "usr/lib/fpack/start").read_text()
    assert service["user"] == "" and service["entrypoint"] == ["/usr/lib/fpack/start", "/usr/sbin/appd"]
    assert ("setpriv --reuid=app --regid=" in script) == complete
    note = "the first start needs root, and the image has no setpriv to become the unit's user app then"
    assert (note in service.get("notes", [])) == (not complete)


def test_steps_without_a_shell_are_told(roots: Roots) -> None:
    lines = ["ExecStartPre=/usr/sbin/appd -t", "ExecCondition=/usr/sbin/appd -c"]
    roots.package("app", file("./usr/sbin/appd", SERVER, 0o755), unit(*lines), seed=True)
    made = build(roots, init_if_needed=True)
    assert made.extra["service"]["entrypoint"] == ["/usr/sbin/appd"]
    assert made.extra["service"]["notes"] == [
        f"the unit's step '/usr/sbin/appd {option}' is left out: the image has no shell" for option in ("-c", "-t")
    ]


def test_a_user_that_the_image_does_not_have_is_told(roots: Roots) -> None:
    roots.package("app", file("./usr/sbin/appd", SERVER, 0o755), unit("User=absent"), seed=True)
    service = build(roots).extra["service"]
    assert service["user"] == ""
    assert service["notes"] == ["the unit's user absent is not in the image, so the server starts as root"]


def test_the_children_of_a_server_with_later_steps_have_process_1(roots: Roots) -> None:
    lines = ["ExecStartPost=/usr/sbin/appd -p"]
    roots.package("app", file("./usr/sbin/appd", SERVER, 0o755), unit(*lines), *SHELL, seed=True)
    made = build(roots, init_if_needed=True)
    assert made.extra["service"]["entrypoint"][:3] == ["/usr/bin/tini", "--", "/usr/lib/fpack/start"]


def test_a_server_that_forks_without_a_shell_is_told(roots: Roots) -> None:
    roots.package("app", file("./usr/sbin/appd", SERVER, 0o755), FORKING, seed=True)
    made = build(roots, init_if_needed=True)
    assert made.extra["service"]["entrypoint"] == ["/usr/sbin/appd"]
    assert any("expects /usr/sbin/appd to fork" in line for line in made.lines)


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (["app", "-x"], True), (["/usr/bin/app"], True), (["server"], False), (["/usr/bin/server"], False),
        (["sh", "-c", "exec server"], True), (["/app/of-the-container"], True), (["tini", "--", "app"], False),
    ],
)  # fmt: skip
def test_the_command_of_a_container(roots: Roots, words: list[str], needs: bool) -> None:
    programs = {"app": PROGRAM, "server": SERVER, "sh": SERVER}
    roots.package("app", *(file(f"./usr/bin/{name}", data, 0o755) for name, data in programs.items()), seed=True)
    made = roots.build(lazily=True, service=[{"package": "", "init_if_needed": True, "words": words}])
    assert made.extra["service"] == ({"prefix": ["/usr/bin/tini", "--"]} if needs else {})


@pytest.mark.parametrize(("content", "needs"), [(PROGRAM, True), (SERVER, False), (b"#!/usr/bin/python3\n", True)])
def test_the_program_of_what_was_built(roots: Roots, content: bytes, needs: bool) -> None:
    path = roots.built("tool", {"bin/tool": content, "bin/other": b""})
    service = {"package": "", "init_if_needed": True, "built": [str(path), "tool"]}
    made = roots.build("linked", service=[service])
    assert made.extra["service"] == ({"prefix": ["/usr/bin/tini", "--"]} if needs else {})


def test_an_image_without_a_c_library_has_the_static_program(tmp_path: Path) -> None:
    roots = Roots(FakeStore(tmp_path / "root"))
    roots.package("data", file("./usr/share/data", "x"), seed=True)
    roots.package("tini", file("./usr/bin/tini-static", elf(), 0o755))
    made = roots.build("linked", service=[{"package": "", "init_if_needed": True, "words": ["/app"]}])
    assert made.extra["service"] == {"prefix": ["/usr/bin/tini-static", "--"]} and "tini" in made.reasons()
