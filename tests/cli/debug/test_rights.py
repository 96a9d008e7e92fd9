"""Test the variables, ids, labels and filters that a session takes from the caller and the image."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.cli.debug import engines, entrant, filters, tools
from fpack.cli.debug.command import Request, _identity, _user, debug
from fpack.cli.debug.engines import RunningContainer
from fpack.cli.debug.process import ContainerError, ContainerProcess, inside, ranges
from fpack.cli.debug.session_environment import variables
from fpack.cli.errors import UsageError
from fpack.cli.options import SharedOptions

ID = "ab" * 32
HOSTILE = [
    "LD_PRELOAD=/x.so", "LD_LIBRARY_PATH=/x", "BASH_ENV=/x", "ENV=/x", "PROMPT_COMMAND=x", "PS1=$(x)", "HISTFILE=/x",
    "INPUTRC=/x", "LESSOPEN=|x", "GCONV_PATH=/x", "LOCPATH=/x", "GLIBC_TUNABLES=x", "PYTHONPATH=/x", "GIT_SSH=x",
    "BASH_FUNC_ls%%=() { x; }", "IFS=x", "SHELLOPTS=xtrace", "TERM=x", "TERMINFO=/x", "SHELL=/x", "=x", "a b=x",
]  # fmt: skip


def test_an_images_variables_do_not_change_the_tools() -> None:
    found = variables("web", [*HOSTILE, "COLOR=blue", "PATH=/own/bin", "HOME=/home/x"], 0, {})
    assert found == {
        "COLOR": "blue",
        "PATH": "/.fp/bin:/.fp/sbin:/own/bin",
        "HOME": "/home/x",
        "LANG": "C.UTF-8",
        "HISTFILE": "",
        "LESSHISTFILE": "-",
        "INPUTRC": "/.fp/inputrc",
        "PS1": "[web] \\w \\$ ",
    }


def test_a_terminal_has_a_name() -> None:
    assert variables("web", [], 5, {"TERM": "xterm-256color", "SECRET": "x"})["TERM"] == "xterm-256color"
    assert "TERM" not in variables("web", [], 5, {"TERM": "x\x1b[2J"})
    assert variables("web", [], 5, {})["HOME"] == "/"


def test_a_user_is_root_or_numbers() -> None:
    assert (_user(None), _user("root"), _user("7"), _user("7:8")) == (None, (0, 0), (7, 7), (7, 8))
    for text in ("", "postgres", "-1", "7:", "4294967295", "7:99999999999", "7 8"):
        with pytest.raises(UsageError):
            _user(text)


def test_ids_are_those_inside() -> None:
    rows = [(0, 1000, 1), (1, 100000, 65536)]
    assert [inside(rows, number) for number in (1000, 100000, 100998, 0)] == [0, 1, 999, None]


def test_ranges_of_ids_are_joined() -> None:
    assert ranges([(1, 100000, 65536), (0, 1000, 1), (70000, 5, 2)]) == [(0, 65536), (70000, 70001)]


def test_a_container_that_cannot_be_entered_is_told_before_tools_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    own = RunningContainer("docker", ID, "web", os.getpid())
    monkeypatch.setattr(engines, "find_container", lambda name, engine=None: own)
    monkeypatch.setattr(tools, "held", lambda *_: pytest.fail("the tools are fetched"))
    with pytest.raises(ContainerError, match="is not of the container"):
        debug(Request("web", ["true"], engine="docker"), SharedOptions())


def test_labels_of_security_modules() -> None:
    assert entrant.label_text("containers-default-0.50.1 (enforce)") == b"exec containers-default-0.50.1"
    assert entrant.label_text("system_u:system_r:container_t:s0:c1,c2") == b"system_u:system_r:container_t:s0:c1,c2"


def test_a_process_of_no_container_is_not_entered() -> None:
    """The engine may be of another machine, where the number is another process."""
    for pid in (os.getpid(), 1):
        container = RunningContainer("docker", "ab" * 32, "web", pid)
        with pytest.raises(ContainerError, match="is not of the container|belongs to another user"):
            ContainerProcess(container)
    with pytest.raises(ContainerError, match="has ended"):
        ContainerProcess(RunningContainer("docker", "ab" * 32, "web", 1 << 22))


def test_a_process_that_is_newer_than_the_engines_answer(tmp_path: Path) -> None:
    """The container's process may have ended meanwhile, and its number be that of another, even of its own mounts."""
    identity = "ab" * 32
    (tmp_path / identity).mkdir()
    script = f"mount --bind {tmp_path / identity} /mnt && echo ready && exec sleep 100"
    asked = time.clock_gettime(time.CLOCK_BOOTTIME)
    users = [] if os.getuid() == 0 else ["-Ur"]
    with subprocess.Popen(["unshare", *users, "-m", "sh", "-c", script], stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                pytest.skip("this machine does not allow mounts")
            container = RunningContainer("podman", identity, "web", process.pid)
            assert ContainerProcess(container).namespaces
            with pytest.raises(ContainerError, match="has ended"):
                ContainerProcess(container._replace(asked=asked))
        finally:
            process.kill()


@contextlib.contextmanager
def shim(tmp_path: Path, configuration: str, *options: str) -> Iterator[int]:
    """Yield a container's first process.

    Like containerd's shim, its parent works in a directory with a configuration.
    """
    (tmp_path / "config.json").write_text(configuration)
    script = 'unshare "$@" -m sh -c "echo \\$\\$; exec sleep 100"; :'
    words = ["sh", "-c", script, f"shim-{ID}", *([] if os.getuid() == 0 else ["-Ur"]), *options]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                pytest.skip("this machine does not allow namespaces")
            yield int(line)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_the_runtime_configuration_of_docker(tmp_path: Path) -> None:
    """docker does not tell where it is. It counts only if it is of the container."""
    text = json.dumps({"linux": {"cgroupsPath": f"/docker/{ID}"}})
    with shim(tmp_path, text) as pid:
        container = RunningContainer("docker", ID, "web", pid)
        assert filters.of_container(ContainerProcess(container).specification) == b""
        assert ContainerProcess(container._replace(specification="/x")).specification == "/x"
        file = tmp_path / "config.json"
        file.write_text(text.replace(ID, "cd" * 32))
        assert ContainerProcess(container).specification == ""
        file.unlink()
        assert ContainerProcess(container).specification == ""
        (tmp_path / "other.json").write_text(text)
        file.symlink_to("other.json")
        assert ContainerProcess(container).specification == ""
        file.unlink()
        os.mkfifo(file)
        assert ContainerProcess(container).specification == ""


def test_a_user_whom_the_user_namespace_does_not_have(tmp_path: Path) -> None:
    with shim(tmp_path, "", *(["-Ur"] if os.getuid() == 0 else [])) as pid:
        process = ContainerProcess(RunningContainer("docker", ID, "web", pid))
        assert _identity(process, (0, 0))[:2] == (0, 0)
        with pytest.raises(UsageError, match="has no user 7") as caught:
            _identity(process, (7, 0))
        assert "has the users 0-0" in caught.value.why
        with pytest.raises(UsageError, match="has no group 7"):
            _identity(process, (0, 7))


def test_a_container_of_root_asks_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members of the group docker are not the user whose processes the containers are."""

    def refuse(_: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", refuse)
    for engine, hint in (("docker", "run fpack as root"), ("podman", "run fpack as the user who runs the container")):
        with pytest.raises(ContainerError, match="belongs to another user") as caught:
            ContainerProcess(RunningContainer(engine, ID, "web", 1))
        assert caught.value.hint == hint


def test_a_filter_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(filters.NoFilter, match="No such file"):
        filters.of_container(str(tmp_path / "absent"))
    rule = '{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["open"]}]}}}'
    for text in ("", "[]", "{}", '{"linux": {"seccomp": [1]}}', "[" * 100_000, rule):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(filters.NoFilter):
            filters.of_container(str(tmp_path / "config.json"))


def test_a_container_without_a_filter(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"linux": {}}))
    assert filters.of_container(str(tmp_path / "config.json")) == b""


def test_rules_with_comparisons(tmp_path: Path) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [
            {"names": ["read", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
            {"names": ["ioctl"], "action": "SCMP_ACT_NOTIFY"},
        ],
    }  # fmt: skip
    try:
        code = filters.compiled(profile)
    except filters.NoFilter as error:
        pytest.skip(str(error))
    assert len(code) % 8 == 0 and len(code) > 80
    assert filters.compiled(profile) == code
