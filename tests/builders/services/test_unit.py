"""Test what is read from unit files, and which unit of a package is its main one."""

from __future__ import annotations

import pytest
from fpack.builders.services import unit_file
from fpack.builders.services.unit import Command, ServiceDirectory, main_unit, service

UNIT = """\
[Unit]
Description=A server
# a comment
[Service]
Type=notify
Environment=A=1 "B=two words"
Environment=C=%p
EnvironmentFile=-/etc/default/%p
ExecStartPre=-/usr/bin/check --quick
ExecStartPre=+/usr/bin/prepare
ExecStart=/usr/bin/served \\
    --config "/etc/a b.conf" \\
    $OPTIONS
User=runner
Group=runners
RuntimeDirectory=served served/sub
RuntimeDirectoryMode=0750
StateDirectory=served
WorkingDirectory=-/var/lib/served
KillSignal=SIGQUIT
[Install]
WantedBy=multi-user.target
"""


def test_a_service() -> None:
    found = service("served.service", UNIT)
    assert found is not None
    assert found.start == Command(("/usr/bin/served", "--config", "/etc/a b.conf", "$OPTIONS"))
    assert found.before == (
        Command(("/usr/bin/check", "--quick"), optional=True),
        Command(("/usr/bin/prepare",), privileged=True),
    )
    assert (found.kind, found.user, found.group) == ("notify", "runner", "runners")
    assert found.variables == {"A": "1", "B": "two words", "C": "served"}
    assert found.files == (("/etc/default/served", True),)
    assert (found.workdir, found.signal, found.wanted) == ("/var/lib/served", "SIGQUIT", True)
    assert found.directories == (
        ServiceDirectory("run/served", 0o750),
        ServiceDirectory("run/served/sub", 0o750),
        ServiceDirectory("var/lib/served", 0o755, volume=True),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[Service]\nType=oneshot\nExecStart=/usr/bin/x\n",
        "[Service]\nExecStart=/bin/true\n",
        "[Service]\nExecStart=/usr/bin/x\nExecStart=\n",
        '[Service]\nExecStart="/usr/bin/x\n',
        "ExecStart=/usr/bin/x\n",
    ],
)
def test_a_unit_that_starts_no_lasting_program(text: str) -> None:
    assert service("a.service", text) is None


def test_a_template_is_no_service_and_an_instance_is_one() -> None:
    assert service("a@.service", UNIT) is None
    found = service("a@one.service", "[Service]\nExecStart=/usr/bin/a %i %p\n")
    assert found is not None and found.name == "a" and found.start.words == ("/usr/bin/a", "one", "a")


def test_a_start_as_root_ignores_the_user() -> None:
    found = service("a.service", UNIT.replace("ExecStart=/usr", "ExecStart=!/usr"))
    assert found is not None and found.user == "" and found.start.privileged


@pytest.mark.parametrize("word", ["/../etc", "..", "a/../..", "/"])
def test_a_directory_never_leaves_its_base(word: str) -> None:
    found = service("a.service", f"[Service]\nExecStart=/x\nStateDirectory={word}\n")
    assert found is not None
    assert all(".." not in directory.path.split("/") for directory in found.directories)


def exists(path: str) -> bool:
    return path.startswith("/usr/")


def start(program: str, wanted: bool = True) -> str:
    install = "[Install]\nWantedBy=multi-user.target\n" if wanted else ""
    return f"[Service]\nExecStart={program}\n{install}"


@pytest.mark.parametrize(
    ("package", "units", "expected"),
    [
        ("redis-server", {"redis-server": "/usr/a", "other": "/usr/b"}, "redis-server"),
        ("dovecot-core", {"aaa": "/usr/a", "dovecot": "/usr/b"}, "dovecot"),
        ("cups-daemon", {"cups": "/usr/a", "cupsd-wait": "/usr/b"}, "cups"),
        ("unbound", {"unbound-resolvconf": "/usr/a", "unbound": "/usr/b"}, "unbound"),
        ("openssh-server", {"rescue-ssh": "/usr/a", "ssh": "/usr/b"}, "ssh"),
        ("bind9", {"named-resolvconf": "/usr/a", "named": "/usr/b"}, "named"),
        ("x", {"x": "/opt/absent", "y": "/usr/y"}, "y"),
        ("x", {"x": "/opt/absent"}, None),
    ],
)
def test_the_main_unit(package: str, units: dict[str, str], expected: str | None) -> None:
    declarations = {f"usr/lib/systemd/system/{name}.service": start(program) for name, program in units.items()}
    found = main_unit(package, declarations, exists)
    assert (found and found.name) == expected


def test_variables_are_expanded_as_systemd_does() -> None:
    words = ["/x", "$ALL", "-a${ONE}", "$$", "$ABSENT", "${ABSENT}"]
    assert unit_file.expand_variables(words, {"ALL": "-b 'c d'", "ONE": "1 2"}) == ["/x", "-b", "c d", "-a1 2", "$", ""]


def test_an_environment_file() -> None:
    text = "# a\nA=1\nexport B='x y'\nC=\"z\"\nnot an assignment\n1=2\nD=-u bind\n"
    assert unit_file.environment_file(text) == {"A": "1", "B": "x y", "C": "z", "D": "-u bind"}


@pytest.mark.parametrize("text", ["'" * 100_000, "a=" + "\\" * 100_000, "[" * 100_000, "A=\\\n" * 50_000, "\0=\udcff"])
def test_hostile_texts_end(text: str) -> None:
    unit_file.parse(text)
    unit_file.environment_file(text)
    assert service("a.service", f"[Service]\nExecStart={text}") is None or text.startswith(("[", "\0", "A", "a"))
