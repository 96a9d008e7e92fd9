"""Test how servers run in containers: command lines, users, directories, steps before them."""

from __future__ import annotations

import shlex

import pytest
from fpack.builders.services import plan as service_plan
from fpack.builders.services import tmpfiles
from fpack.builders.services.plan import RootFiles, ServedPackage, ServicePlan
from fpack.builders.services.start_script import StartScript
from fpack.builders.services.tmpfiles import DIRECTORY, SYMLINK, TmpfilesEntry


def planned(unit: str, package: str = "served", files: dict[str, str | None] | None = None) -> ServicePlan | None:
    """Return the plan of a server. files: texts by path; None for a file that the root does not have."""
    names = ("/usr/bin/served", "/bin/sh", "/usr/bin/check", "/usr/sbin/ngircd", "/usr/bin/sleep")
    texts = {path: text for path, text in {**dict.fromkeys(names, ""), **(files or {})}.items() if text is not None}
    own = ServedPackage(package, {f"usr/lib/systemd/system/{package}.service": "[Service]\n" + unit})
    return service_plan.plan(own, [], RootFiles(lambda path: path in texts, lambda path: texts.get(path, "")))


def test_the_command_line_has_the_values_of_environment_files() -> None:
    found = planned(
        "Environment=A=1\nEnvironmentFile=-/etc/default/served\nExecStart=/usr/bin/served $OPTIONS ${A}\nUser=u\n",
        files={"/etc/default/served": 'OPTIONS="-u x"\nA=2\n'},
    )
    assert found is not None
    assert found.entrypoint == ("/usr/bin/served", "$OPTIONS", "${A}")
    assert found.start.words == ("$OPTIONS", "${A}")
    assert (found.user, found.variables) == ("u", {"A": "2", "OPTIONS": "-u x"})


@pytest.mark.parametrize(
    ("line", "value", "files"),
    [
        ("$OPTIONS", '"-u \\"a b\\""', {}),
        ("$OPTIONS", '"-u x"', {"/bin/sh": None}),
        ("$$OPTIONS", '"-u x"', {}),
    ],
)
def test_values_that_a_shell_would_read_otherwise_are_fixed(
    line: str, value: str, files: dict[str, str | None]
) -> None:
    found = planned(
        f"EnvironmentFile=/etc/default/served\nExecStart=/usr/bin/served {line}\n",
        files={"/etc/default/served": f"OPTIONS={value}\n", **files},
    )
    assert found is not None and not found.start.words
    assert found.entrypoint == tuple(
        ["/usr/bin/served", "$OPTIONS"] if "$$" in line else ["/usr/bin/served", *shlex.split(shlex.split(value)[0])]
    )


def test_a_package_that_is_a_system_has_no_server() -> None:
    assert planned("ExecStart=/usr/bin/served\n", "systemd") is None


def test_a_server_that_forks_stays_in_the_foreground() -> None:
    found = planned("Type=forking\nExecStart=/usr/sbin/ngircd /etc/conf\n", "ngircd")
    assert found is not None and found.ports == (6667,)
    assert found.entrypoint == ("/usr/sbin/ngircd", "--nodaemon", "/etc/conf")


def test_the_script_stays_for_a_server_that_forks() -> None:
    found = planned("Type=forking\nExecStart=/usr/bin/served\nPIDFile=/var/run/served.pid\n")
    assert found is not None and found.start == StartScript(forks=True, pid_file="/run/served.pid")


def test_a_unit_that_runs_an_init_script_starts_the_program_of_its_name() -> None:
    found = planned("Type=forking\nExecStart=/etc/init.d/served start\nPIDFile=/run/served/pid\n")
    assert found is not None and found.entrypoint == ("/usr/bin/served",)
    assert found.start == StartScript(forks=True, pid_file="/run/served/pid")
    assert found.directories == (TmpfilesEntry(DIRECTORY, "run/served", 0o755, "served", "served"),)
    assert planned("Type=forking\nExecStart=/etc/init.d/other start\n") is None


def test_the_directory_of_a_pid_file_has_the_owner_that_the_unit_says() -> None:
    unit = "Type=forking\nExecStart=/usr/bin/served\nPIDFile=/run/served/pid\n"
    found = planned(f"{unit}User=u\nRuntimeDirectory=served\n")
    assert found is not None and found.directories == (TmpfilesEntry(DIRECTORY, "run/served", 0o755, "u", "u"),)


@pytest.mark.parametrize("path", ["/bin/sh", "/usr/bin/sleep"])
def test_a_server_that_forks_is_told_if_no_script_can_stay(path: str) -> None:
    found = planned("Type=forking\nExecStart=/usr/bin/served\n", files={path: None})
    assert found is not None and not found.start.text()
    assert "expects /usr/bin/served to fork" in found.notes[0]


def test_the_sockets_of_a_unit_give_ports_and_directories() -> None:
    texts = {
        "usr/lib/systemd/system/a.service": "[Service]\nExecStart=/usr/bin/a\nUser=u\n",
        "usr/lib/systemd/system/a.socket": "[Socket]\nListenStream=/var/run/a/socket\nListenStream=0.0.0.0:111\n"
        "ListenDatagram=[::]:111\nListenStream=[::]:111\nListenStream=/run/a.sock\nListenStream=70000\n",
        "usr/lib/systemd/system/other.socket": "[Socket]\nListenStream=1\n",
        "usr/lib/systemd/system/b.socket": "[Socket]\nListenStream=2\nService=a.service\nAccept=yes\n",
    }
    files = RootFiles(lambda path: path == "/usr/bin/a", lambda path: "")
    found = service_plan.plan(ServedPackage("a", texts), [], files)
    assert found is not None and found.ports == (111, "111/udp")
    assert found.directories == (TmpfilesEntry(DIRECTORY, "run/a", 0o755, "u", "u"),)


def test_a_server_that_becomes_another_user_itself_has_directories_of_that_user() -> None:
    found = planned("ExecStart=!/usr/bin/served\nUser=u\nGroup=g\nRuntimeDirectory=served\n")
    assert found is not None and found.user == ""
    assert found.directories == (TmpfilesEntry(DIRECTORY, "run/served", 0o755, "u", "g"),)


def test_commands_that_make_directories_become_directories() -> None:
    found = planned(
        "ExecStart=/usr/bin/served\nUser=u\nRuntimeDirectory=served\n"
        "ExecStartPre=/bin/mkdir -m 740 -p /var/log/served\nExecStartPre=/bin/chown log:adm /var/log/served\n"
        "ExecStartPre=/usr/bin/install -d -o other -m 0700 /var/run/other\nExecStartPre=/bin/chmod 711 /run/served\n"
    )
    assert found is not None and not found.start.text() and not found.notes
    assert found.directories == (
        TmpfilesEntry(DIRECTORY, "run/served", 0o711, "u", "u"),
        TmpfilesEntry(DIRECTORY, "var/log/served", 0o740, "log", "adm"),
        TmpfilesEntry(DIRECTORY, "run/other", 0o700, "other", "other"),
    )


def test_other_steps_run_before_the_server() -> None:
    found = planned("ExecStart=/usr/bin/served\nExecStartPre=-/usr/bin/check 'a b'\nExecStartPre=/usr/bin/absent\n")
    assert found is not None
    assert found.start.text().splitlines()[2:] == ["/usr/bin/check 'a b' || :", 'exec "$@"']
    assert found.notes == ("the unit's step '/usr/bin/absent' is left out: the image has no /usr/bin/absent",)


def steps(*lines: str, unit: str = "", files: dict[str, str | None] | None = None) -> tuple[list[str], tuple[str, ...]]:
    """Return the lines of the start script but the first two and the last one, and the notes."""
    found = planned("\n".join(("ExecStart=/usr/bin/served", *lines, unit, "")), files=files)
    assert found is not None
    return found.start.text().splitlines()[2:-1], found.notes


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/bin/systemctl reset-failed", "systemctl manages a system, which a container is not"),
        ("-/sbin/modprobe tun", "modprobe manages a system, which a container is not"),
        ("/bin/sh -c '[ -e /x ] && systemctl set-environment A=1'", "systemctl manages a system, which a container"),
        ("+/usr/bin/check", "it runs as root, and the container as u"),
        ("!/usr/bin/check", "it runs as root, and the container as u"),
        ("/bin/chown u /var/lib/other", "u may not do so"),
        ("/usr/bin/check %b", "only the running host knows one of its specifiers"),
        ("/usr/bin/absent", "the image has no /usr/bin/absent"),
        ("absent", "the image has no /usr/bin/absent"),
    ],
)
@pytest.mark.parametrize("key", ["ExecStartPre", "ExecCondition", "ExecStartPost"])
def test_steps_that_cannot_be_done_are_told(key: str, line: str, why: str) -> None:
    if key == "ExecStartPost" and "chown" in line:
        return  # only before the server are directories computed
    lines, notes = steps(f"{key}={line}", unit="User=u")
    assert not lines and len(notes) == 1 and f"is left out: {why}" in notes[0]


def test_steps_as_root_run_where_the_server_is_root() -> None:
    assert steps("ExecStartPre=+/usr/bin/check", "ExecStartPre=!/usr/bin/check") == (["/usr/bin/check || exit"] * 2, ())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("check", ["/usr/bin/check || exit"]),
        ("check %p %n %t %i%%", ["/usr/bin/check served served.service /run % || exit"]),
        ("/usr/bin/check a ; -/usr/bin/check b ';' \\;", ["/usr/bin/check a || exit", "/usr/bin/check b ';' ';' || :"]),
        ("/usr/bin/check ${A} x${B}", ['/usr/bin/check "${A-}" x"${B-}" || exit']),
        ("/usr/bin/check $A", ["(set -f; exec /usr/bin/check ${A-}) || exit"]),
        ("/usr/bin/check $Q", ["/usr/bin/check 'a b' || exit"]),
        ("/usr/bin/check $$A ${A}", ["/usr/bin/check '$A' 1 || exit"]),
        (":/usr/bin/check ${A}", ["/usr/bin/check '${A}' || exit"]),
        ("@/usr/bin/check name x", ["/usr/bin/check x || exit"]),
        ("-/usr/bin/absent", []),
        ("/usr/bin/systemd-tmpfiles --create served.conf", []),
        ("/usr/bin/install -m 600 /a /b", ["/usr/bin/install -m 600 /a /b || exit"]),
    ],
)
def test_forms_of_steps(line: str, expected: list[str]) -> None:
    files: dict[str, str | None] = {"/usr/bin/install": ""}
    lines, notes = steps(f"ExecStartPre={line}", "Environment=A=1 \"Q='a b'\"", files=files)
    assert lines == expected and not notes


def test_a_condition_precedes_the_steps() -> None:
    lines, _ = steps("ExecStartPre=/usr/bin/check b", "ExecCondition=/usr/bin/check c")
    assert lines[0].startswith("/usr/bin/check c || { status=$?; ") and lines[1] == "/usr/bin/check b || exit"


def test_a_server_that_says_when_it_is_ready_has_no_later_steps() -> None:
    lines, notes = steps("ExecStartPost=/usr/bin/check", "ExecStartPost=-/usr/bin/check", unit="Type=notify")
    assert not lines and len(notes) == 1 and "which a container does not learn" in notes[0]


def test_programs_of_steps_that_the_root_lacks() -> None:
    found = planned(
        "ExecStart=/usr/bin/served\nExecStartPre=/bin/sh -c 'grep x y || exit 1'\nExecStartPre=-/usr/bin/absent\n"
        "ExecStartPre=/sbin/modprobe x\n"
    )
    assert found is not None and found.lacks == ("/usr/bin/grep", "/usr/bin/absent")


def test_an_environment_file_that_is_absent_is_told_unless_it_may_be() -> None:
    assert steps("EnvironmentFile=-/etc/default/a", "EnvironmentFile=/etc/default/b") == (
        [], ("the unit's environment file /etc/default/b is not in the image",)
    )  # fmt: skip


def test_the_last_of_several_command_lines_is_the_server() -> None:
    found = planned("ExecStart=/usr/bin/check a\nExecStart=/usr/bin/served b\n")
    assert found is not None and found.entrypoint == ("/usr/bin/served", "b")
    assert found.notes == ("the unit served has 2 command lines; the last one is the server",)


def test_an_instance_has_its_name_in_steps() -> None:
    text = "[Service]\nExecStart=/usr/bin/served --%i\nExecStartPre=/usr/bin/served %i %I %j %f\n"
    declared = {"usr/lib/systemd/system/served@a-b.service": text}
    files = RootFiles(lambda path: path in ("/usr/bin/served", "/bin/sh"), lambda path: "")
    found = service_plan.plan(ServedPackage("served", declared), [], files)
    assert found is not None and found.entrypoint == ("/usr/bin/served", "--a-b")
    assert found.start.before[0].words == ("/usr/bin/served", "a-b", "a/b", "served", "/a/b")


def test_the_unit_of_a_dependency_serves_a_package_without_units() -> None:
    unit = {
        "usr/lib/systemd/system/nginx.service": "[Service]\nType=forking\nExecStart=/usr/sbin/nginx -g 'daemon on;'"
    }
    files = RootFiles(lambda path: path == "/usr/sbin/nginx", lambda path: "")
    found = service_plan.plan(ServedPackage("nginx", {}), [ServedPackage("nginx-common", unit)], files)
    assert found is not None and found.entrypoint == ("/usr/sbin/nginx", "-g", "daemon off;")
    assert service_plan.plan(ServedPackage("jq", {}), [ServedPackage("libjq1", {})], files) is None
    common = [ServedPackage("nginx-common", unit)]
    assert service_plan.plan(ServedPackage("nginx", {}, "/usr/sbin/nginx"), common, files) == found
    for name, program in (("nginx-full", "/usr/sbin/nginx"), ("metapackage", "")):
        served = service_plan.plan(ServedPackage(name, {}, program), common, files)
        assert served is not None and served.entrypoint[0] == "/usr/sbin/nginx"
    known = service_plan.plan(ServedPackage("nginx-full", {}, "/usr/sbin/nginx"), [ServedPackage("nginx", {})], files)
    assert known is not None and known.entrypoint == found.entrypoint


def test_a_package_with_a_program_runs_that_in_place_of_a_server_that_it_depends_on() -> None:
    unit = {"usr/lib/systemd/system/tor.service": "[Service]\nExecStart=/usr/bin/tor"}
    files = RootFiles(lambda path: path == "/usr/bin/tor", lambda path: "")
    for tor in (ServedPackage("tor", unit), ServedPackage("tor", {}), ServedPackage("tor-unit", unit)):
        assert service_plan.plan(ServedPackage("selektor", {}, "/usr/bin/selektor"), [tor], files) is None
        assert service_plan.plan(ServedPackage("metapackage", {}), [tor], files) is not None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("d /run/a 0750 u g - -", [TmpfilesEntry(DIRECTORY, "run/a", 0o750, "u", "g")]),
        ("D! /var/run/a", [TmpfilesEntry(DIRECTORY, "run/a", 0o755)]),
        ("d /var/lock/a ~2770 :u - - -", [TmpfilesEntry(DIRECTORY, "run/lock/a", 0o2770, "u", "")]),
        ("L+ /etc/x - - - - ../run/x", [TmpfilesEntry(SYMLINK, "etc/x", target="../run/x")]),
        ("d %t/a", [TmpfilesEntry(DIRECTORY, "run/a", 0o755)]),
        ("# d /run/a", []),
        ("r! /run/a", []),
        ("d /run/../etc 0755", []),
        ("d relative", []),
        ("d /run/a/*", []),
        ("d '/run/a", []),
        ("d", []),
    ],
)
def test_lines_of_tmpfiles(line: str, expected: list[TmpfilesEntry]) -> None:
    assert list(tmpfiles.parse(line)) == expected
