"""The plan of a shell, a pure function: what it mounts where, which variables it sets, and what it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from fpack.cli.shells.model import Account, Closure, Host, ShellOptions
from fpack.cli.shells.sandbox import environment, network, stage
from fpack.cli.shells.sandbox import plan as plans
from fpack.cli.shells.sandbox.etc import group, passwd

# The directories of a view, as `listing` of the plan returns them: name, kind (l: symlink, d: directory), target.
VIEW = {
    "": [
        ("bin", "l", "usr/bin"),
        ("dev", "d", ""),
        ("etc", "d", ""),
        ("home", "d", ""),
        ("proc", "d", ""),
        ("root", "d", ""),
        ("srv", "d", ""),
        ("tmp", "d", ""),
        ("usr", "d", ""),
        ("var", "d", ""),
    ],
    "/home": [],
    "/srv": [],
    "/usr": [("bin", "d", ""), ("src", "d", ""), ("lib", "d", "")],
    "/usr/src": [("kernel", "d", "")],
    "/var": [("lib", "d", ""), ("run", "l", "/run"), ("tmp", "d", "")],
}
CLOSURE = Closure(
    "web", "/views/r/root", (("/fpack/store/a-app", "/disk/a-app"),), "/fpack/store/a-app/bin", {"A": "1"}
)
HOST = Host(
    uid=1000,
    gid=100,
    name="ann",
    home="/home/ann",
    cwd="/home/ann/web/src",
    project="/home/ann/web",
    environ={
        "TERM": "xterm",
        "PATH": "/opt/host/bin:/usr/bin",
        "LD_LIBRARY_PATH": "/opt/lib",
        "LC_ALL": "de_DE.UTF-8",
        "EDITOR": "vi",
        "SECRET": "x",
        "PYTHONPATH": "/opt/py",
        "SSH_AUTH_SOCK": "/tmp/ssh-1/agent",
        "TMPDIR": "/run/user/1000/tmp",
    },
    sockets=("/tmp/ssh-1/agent", "/run/user/1000/wayland-0"),
    resolv="/run/systemd/resolve/stub-resolv.conf",
    localtime="/usr/share/zoneinfo/Europe/Berlin",
    certificates="/home/ann/authority.pem",
)


def listing(folder: str) -> Iterable[tuple[str, str, str]]:
    return VIEW[folder]


PLAIN = ShellOptions()


def made(closure: Closure = CLOSURE, options: ShellOptions = PLAIN, host: Host = HOST) -> plans.Plan:
    return plans.plan(closure, options, host, listing, "/kept/etc", "/kept/own")


def mounts(plan: plans.Plan) -> dict[str, tuple[str, ...]]:
    """Return bubblewrap's option and its source for each mount point; the later one of two."""
    found: dict[str, tuple[str, ...]] = {}
    args = plan.args(9)
    two = ("--ro-bind", "--bind", "--dev-bind", "--symlink", "--ro-bind-try")
    while args:
        option = args.pop(0)
        if option in two:
            source, path = args.pop(0), args.pop(0)
            found.pop(path, None)
            found[path] = (option, source)
        elif option in ("--tmpfs", "--dir", "--proc", "--dev"):
            path = args.pop(0)
            found.pop(path, None)
            found[path] = (option,)
        elif option in ("--uid", "--gid", "--cap-add", "--hostname", "--chdir", "--remount-ro"):
            args.pop(0)
    return found


def test_a_store_path_that_is_a_symlink_is_one_in_the_shell() -> None:
    found = mounts(made(CLOSURE._replace(links=(("/fpack/store/b-link", "/etc"),))))
    assert found["/fpack/store/b-link"] == ("--symlink", "/etc")


def test_the_root_is_read_only_and_the_hosts_directories_lie_at_their_places() -> None:
    found = mounts(made())
    assert found["/usr"] == ("--ro-bind", "/views/r/root/usr")
    assert found["/bin"] == ("--symlink", "usr/bin")
    assert found["/etc"] == ("--ro-bind", "/kept/etc")
    assert found["/home/ann"] == ("--bind", "/home/ann")
    assert found["/tmp"] == ("--bind", "/tmp")
    assert found["/dev"] == ("--dev-bind", "/dev")
    assert found["/fpack/store/a-app"] == ("--ro-bind", "/disk/a-app")
    assert found["/etc/resolv.conf"] == ("--ro-bind", "/run/systemd/resolve/stub-resolv.conf")
    assert found["/run/user/1000/wayland-0"] == ("--ro-bind-try", "/run/user/1000/wayland-0")
    assert "/tmp/ssh-1/agent" not in found, "it is in /tmp, which is shared"
    assert "/home/ann/web" not in found, "it is in the home directory, which is shared"
    args = made().args(9)
    assert args[-4:] == ["--remount-ro", "/", "--chdir", "/home/ann/web/src"]
    assert args[:5] == ["--unshare-user", "--uid", "1000", "--gid", "100"]


def test_a_mount_comes_after_what_it_lies_in() -> None:
    host = HOST._replace(project="/srv/a/web", cwd="/srv/a/web", home="/srv/a")
    for options in (ShellOptions(), ShellOptions(expose=("/srv/a/web/data",)), ShellOptions(container=True)):
        order = list(mounts(made(options=options, host=host)))
        for number, path in enumerate(order):
            for above in order[number + 1 :]:
                assert not path.startswith(above + "/"), f"{above} would hide {path}"


@pytest.mark.parametrize(
    ("project", "bound", "made_up"),
    [
        ("/usr/src/app", ["/usr/bin", "/usr/lib", "/usr/src/kernel"], ["/usr", "/usr/src"]),
        ("/var/www/site", ["/var/lib", "/var/tmp"], ["/var"]),
        ("/work/deep/app", ["/usr", "/var"], []),
    ],
)
def test_a_project_can_lie_anywhere(project: str, bound: list[str], made_up: list[str]) -> None:
    found = mounts(made(host=HOST._replace(project=project, cwd=project)))
    assert found[project] == ("--bind", project)
    for path in bound:
        assert found[path] == ("--ro-bind", f"/views/r/root{path}")
    for path in made_up:
        assert found[path] == ("--dir",)


@pytest.mark.parametrize("place", ["/", "/usr/bin", "/etc", "/proc/1", "/lib/x", "/run/x"])
def test_what_would_hide_the_shell_itself_is_not_shown(place: str) -> None:
    found = mounts(made(host=HOST._replace(project=place, cwd=place)))
    assert found.get(place, ("",))[-1] != place
    plan = made(host=HOST._replace(project="", cwd=place))
    assert (plan.cwd, plan.hidden) == ("/home/ann", place)


def test_a_container_shows_the_project_and_nothing_else() -> None:
    plan = made(options=ShellOptions(container=True))
    found = mounts(plan)
    sources = {entry[1] for entry in found.values() if len(entry) == 2 and entry[0] != "--symlink"}
    assert {s for s in sources if not s.startswith(("/views/", "/kept/", "/disk/", "/proc/sys"))} == {
        "/home/ann/web",
        "/run/systemd/resolve/stub-resolv.conf",
    }
    assert found["/home/ann"] == ("--tmpfs",) and found["/tmp"] == ("--tmpfs",)
    assert {"--unshare-pid", "--unshare-ipc", "--unshare-uts"} <= set(plan.args(9))
    assert "SECRET" not in plan.env and "SSH_AUTH_SOCK" not in plan.env and plan.env["TERM"] == "xterm"


def test_a_container_of_a_project_reached_by_a_link_begins_in_the_project() -> None:
    host = HOST._replace(cwd="/home/ann/link/src", real="/home/ann/web/src")
    plan = made(options=ShellOptions(container=True), host=host)
    assert (plan.cwd, plan.hidden) == ("/home/ann/web/src", "")
    assert made(host=host).cwd == "/home/ann/link/src"


def test_a_container_of_a_home_directory_shows_it_since_it_is_the_project() -> None:
    host = HOST._replace(project="/home/ann", cwd="/home/ann")
    assert mounts(made(options=ShellOptions(container=True), host=host))["/home/ann"] == ("--bind", "/home/ann")


def test_without_a_network_there_are_no_name_servers() -> None:
    plan = made(options=ShellOptions(network=False))
    assert "--unshare-net" in plan.args(9) and "/etc/resolv.conf" not in mounts(plan)
    assert "--unshare-net" not in made().args(9)


@pytest.mark.parametrize(
    ("options", "own"), [(PLAIN, False), (ShellOptions(pure=True), True), (ShellOptions(container=True), True)]
)
def test_time_zone_and_certificates_are_the_machines_unless_it_is_clean(options: ShellOptions, own: bool) -> None:
    found = mounts(made(options=options))
    sources = [found.get(f"/etc/{name}") for name in ("localtime", "ssl/certs/ca-certificates.crt")]
    host = [("--ro-bind", HOST.localtime), ("--ro-bind", HOST.certificates)]
    assert sources == ([None, None] if own else host)


def test_what_is_exposed_is_read_only_also_in_what_is_shared() -> None:
    found = mounts(made(options=ShellOptions(container=True, expose=("/data",), share=("/scratch",))))
    assert found["/data"] == ("--ro-bind", "/data") and found["/scratch"] == ("--bind", "/scratch")
    found = mounts(made(options=ShellOptions(expose=("/home/ann/web/fixed",))))
    assert found["/home/ann/web/fixed"] == ("--ro-bind", "/home/ann/web/fixed")


@pytest.mark.parametrize(
    ("options", "present", "absent"),
    [
        (ShellOptions(), {"EDITOR": "vi", "SECRET": "x"}, ["LD_LIBRARY_PATH", "PYTHONPATH", "LC_ALL", "TMPDIR"]),
        (ShellOptions(pure=True), {"TERM": "xterm", "SSH_AUTH_SOCK": "/tmp/ssh-1/agent"}, ["EDITOR", "SECRET"]),
        (ShellOptions(pure=True, keep=("EDITOR", "NONE")), {"EDITOR": "vi"}, ["SECRET", "NONE"]),
        (ShellOptions(container=True, keep=("EDITOR",)), {"EDITOR": "vi"}, ["SSH_AUTH_SOCK"]),
        (ShellOptions(keep=("PYTHONPATH",)), {"PYTHONPATH": "/opt/py"}, ["LD_LIBRARY_PATH"]),
    ],
)
def test_variables(options: ShellOptions, present: dict[str, str], absent: list[str]) -> None:
    env = made(options=options).env
    assert env | present == env
    assert not set(absent) & env.keys()
    assert env["A"] == "1" and env["FPACK_SHELL"] == "web" and env["USER"] == "ann" and env["LANG"] == "C.UTF-8"


def test_path_is_the_shells_own() -> None:
    assert made().env["PATH"] == f"/fpack/store/a-app/bin:{environment.SEARCH}:/run/fpack/bin"
    closure = CLOSURE._replace(env={"PATH": "/x/bin", "HOME": "/elsewhere"})
    env = made(closure).env
    assert env["PATH"].startswith("/x/bin:/fpack/store/a-app/bin:/usr/local/sbin")
    assert env["HOME"] == "/elsewhere"


ROOT = HOST._replace(uid=0, gid=0, name="root", home="/root", privileged=True)


def test_roots_plain_shell_alone_is_root_on_the_machine() -> None:
    assert made(host=ROOT).isolation.root and "--unshare-user" not in made(host=ROOT).args(9)
    others = [
        made(host=ROOT._replace(privileged=False)),
        made(host=ROOT, options=ShellOptions(container=True)),
        made(host=ROOT, options=ShellOptions(user="dev")),
        made(host=ROOT, options=ShellOptions(user="root:0", container=True)),
        made(),
    ]
    for plan in others:
        args = plan.args(9)
        assert not plan.isolation.root and args[0] == "--unshare-user"
        assert args[args.index("/proc/sys") - 1] == "--ro-bind-try"


def test_a_container_whose_network_is_attached_has_one_of_its_own() -> None:
    options = ShellOptions(container=True)
    assert "--unshare-net" not in made(options=options).args(9)
    plan = made(options=options, host=HOST._replace(helper="/usr/bin/pasta", resolv="/kept/resolv.conf"))
    assert "--unshare-net" in plan.args(9) and mounts(plan)["/etc/resolv.conf"] == ("--ro-bind", "/kept/resolv.conf")


def test_what_root_shows_to_another_user_lies_below_a_stage() -> None:
    plan = made(host=ROOT._replace(cwd="/srv/web", project="/srv/web"), options=ShellOptions(container=True))
    one = stage.staged("/py/w/_bin/bwrap", plan, "/mnt", ["/py/w", "/py/w.libs"], lambda path: True)
    assert one.bwrap == "/mnt/w/_bin/bwrap"
    shown = {bind.source: bind for bind in one.binds}
    assert shown["/srv/web"].owned and not shown["/views/r/root/usr"].owned and not shown["/py/w.libs"].owned
    assert len({bind.target for bind in one.binds}) == len(one.binds)
    found = mounts(one.plan)
    assert found["/srv/web"] == ("--bind", shown["/srv/web"].target)
    for how, *source in found.values():
        if how in ("--bind", "--ro-bind"):
            assert source[0].startswith(("/mnt/", "/proc")), source
    missing = stage.staged("/usr/bin/bwrap", made(), "/mnt", [], lambda path: False)
    assert mounts(missing.plan)["/run/user/1000/wayland-0"] == ("--ro-bind-try", "/run/user/1000/wayland-0")


@pytest.mark.parametrize("helper", ["/usr/bin/pasta", "/usr/local/bin/slirp4netns"])
def test_helpers_hide_the_machines_loopback_device(helper: str) -> None:
    words = network.words_of(helper, 5, 6)
    assert "/proc/self/fd/5" in words and any("/proc/self/fd/6" in word for word in words)
    if helper.endswith("pasta"):
        assert words[words.index("-T") + 1] == "none" and "--no-map-gw" in words
        assert network.words_of(helper, 5, 6, (5432, 6379))[words.index("-T") + 1] == "5432,6379"
    else:
        assert "--disable-host-loopback" in words


@pytest.mark.parametrize(
    ("host", "user", "container", "expected"),
    [
        (HOST, "", False, ("ann", 1000, 100, "/home/ann")),
        (HOST, "", True, ("ann", 1000, 100, "/home/ann")),
        (HOST, "dev", True, ("dev", 1000, 100, "/home/dev")),
        (HOST, "dev:7", False, ("dev", 7, 7, "/home/ann")),
        (HOST._replace(uid=0, gid=0, name="root", home="/root"), "dev", True, ("dev", 1000, 1000, "/home/dev")),
        (HOST._replace(home="/"), "", False, ("ann", 1000, 100, "/home/ann")),
    ],
)
def test_who_one_is(host: Host, user: str, container: bool, expected: tuple[Any, ...]) -> None:
    assert plans.account(host, ShellOptions(user=user, container=container)) == expected


def test_a_terminal_that_the_shell_does_not_know_is_described_by_the_host() -> None:
    host = HOST._replace(terminfo="/usr/share/terminfo/f/foot", environ={"TERM": "foot"})
    plan = made(host=host)
    assert mounts(plan)["/run/terminfo/f/foot"] == ("--ro-bind", "/usr/share/terminfo/f/foot")
    assert plan.env["TERMINFO_DIRS"] == ":/run/terminfo"


@pytest.mark.parametrize(
    ("options", "hook", "words"),
    [
        (ShellOptions(command=("make", "-j2")), "", ["make", "-j2"]),
        (ShellOptions(command=("make",)), "x=1", ["bash", "-c", '. /run/fpack/hook; exec "$@"', "bash", "make"]),
        (ShellOptions(), "x=1", ["bash", "--rcfile", "/run/fpack/bashrc", "-i"]),
        (ShellOptions(interpreter="zsh"), "", ["zsh", "-i"]),
        (ShellOptions(interpreter="fish"), "", ["fish", "-i", "--init-command", "source /run/fpack/init.fish"]),
    ],
)
def test_what_is_run(options: ShellOptions, hook: str, words: list[str]) -> None:
    assert environment.command(CLOSURE._replace(hook=hook), options, "/bin")[0] == words


def test_start_up_files_of_the_user_are_read_unless_the_shell_is_clean() -> None:
    assert "FPACK_CLEAN" not in environment.command(CLOSURE, ShellOptions(), "/bin")[1]
    for options in (ShellOptions(pure=True), ShellOptions(container=True)):
        assert environment.command(CLOSURE, options, "/bin")[1]["FPACK_CLEAN"] == "1"


def test_lists_of_users_and_groups_have_the_user_once() -> None:
    who = Account("ann", 1000, 100, "/home/ann")
    text = passwd("root:x:0:0::/root:/bin/sh\nann:x:5:5::/:/bin/sh\nother:x:1000:1::/:/bin/sh\n", who, "/bin/bash")
    assert text.splitlines() == ["root:x:0:0::/root:/bin/sh", "ann:x:1000:100::/home/ann:/bin/bash"]
    assert group("users:x:100:\n", who, [("video", 44)]).splitlines() == ["video:x:44:", "ann:x:100:"]
