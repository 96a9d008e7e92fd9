"""Test that all kinds of sandboxes have the mounts and the filter, and that one module writes bubblewrap's options."""

from __future__ import annotations

import ast
import itertools
from importlib.util import find_spec
from pathlib import Path

import pytest
from fpack.builders.sandbox import idmap, seccomp, tty_filter
from fpack.builders.sandbox.bwrap import SandboxError
from fpack.builders.sandbox.isolation import Isolation, assemble, encode, filter_of

ALL = [
    Isolation(1000, 1000, closed, network, root)
    for closed, network, root in itertools.product((False, True), (False, True), (False, True))
    if not (closed and root)
]


@pytest.mark.parametrize("isolation", ALL, ids=str)
def test_every_sandbox_has_what_its_kind_needs(isolation: Isolation) -> None:
    words = assemble(isolation, ["--ro-bind", "/view", "/"], ["--tmpfs", "/tmp"], 7)
    text = " ".join(words)
    assert ("--unshare-user" in words) is not isolation.root
    for path in ("/proc/sys", "/proc/sysrq-trigger"):
        assert (f"--ro-bind-try {path} {path}" in text) is not isolation.root
        assert isolation.root or text.index("/proc ") < text.index(path)
    own = {"--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"}
    assert own <= set(words) if isolation.closed else not own & set(words)
    assert ("--dev-bind" in words) is not isolation.closed
    assert ("--unshare-net" in words) is not isolation.network
    assert words[-2:] == ["--seccomp", "7"]
    assert text.index("--ro-bind /view /") < text.index("/proc") < text.index("--tmpfs /tmp")


@pytest.mark.parametrize("isolation", ALL, ids=str)
def test_what_is_closed_has_the_filter_of_builds(isolation: Isolation) -> None:
    expected = seccomp.build_filter() if isolation.closed else tty_filter.build_filter()
    assert filter_of(isolation) == expected


# bubblewrap's options that decide how a sandbox is cut off.
OPTIONS = ("--unshare-", "--share-net", "--proc", "--dev", "--dev-bind", "--cap-", "--seccomp", "--add-seccomp")
# bwrap.py asks whether a sandbox can be made at all, and runs nothing of anybody's in it. launcher.py writes scripts
# for other machines, which run a program as its caller does, in the file system of its image.
ALLOWED = {"builders/sandbox/isolation.py", "builders/sandbox/bwrap.py", "builders/export/launcher.py"}


def test_an_argument_is_never_several() -> None:
    """bubblewrap's list is separated by NUL: one in a word would be an option of an attacker's, such as --bind / /."""
    assert encode(["--setenv", "A", "b\udcff"]) == b"--setenv\0A\0b\xff\0"
    for word in ("a\0--bind\0/\0/", "\0", "a\0"):
        with pytest.raises(SandboxError):
            encode(["--setenv", "A", word])


def test_one_module_writes_the_options_that_cut_a_sandbox_off() -> None:
    spec = find_spec("fpack.builders")
    assert spec is not None and spec.submodule_search_locations is not None
    top = Path(next(iter(spec.submodule_search_locations))).parent
    found = set()
    for path in top.rglob("*.py"):
        source = path.read_text()
        if not any(word in source for word in OPTIONS):
            continue
        for node in ast.walk(ast.parse(source)):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if any(word in OPTIONS or word.startswith(("--unshare-", "--cap-")) for word in text.split()):
                found.add(str(path.relative_to(top)))
    assert found == ALLOWED


MACHINE = "         0          0 4294967295\n"


def test_ids_are_swapped_and_all_others_kept() -> None:
    assert idmap.swapped(0, 900, table=MACHINE) == "0 900 1\n1 1 899\n900 0 1\n901 901 4294966394\n"
    assert idmap.swapped(1000, 900, table=MACHINE).splitlines()[1:4] == ["900 1000 1", "901 901 99", "1000 900 1"]
    assert idmap.swapped(5, 5, table=MACHINE) == "0 0 5\n5 5 1\n6 6 4294967289\n"
    inside = "0 100000 65536\n"
    assert idmap.swapped(0, 65001, table=inside) == "0 65001 1\n1 1 65000\n65001 0 1\n65002 65002 534\n"


@pytest.mark.parametrize("table", [MACHINE, "0 100000 65536\n", "0 1000 1\n1 100000 65536\n"])
def test_a_projects_user_is_its_own_and_never_root_or_a_builds(table: str) -> None:
    numbers = {idmap.chosen(b"/work/%d" % i, table.splitlines()) for i in range(300)}
    assert len(numbers) > 100 and idmap.chosen(b"/work/7", table.splitlines()) in numbers
    for number in numbers:
        assert number not in range(872_415_232, 872_416_232) and number not in range(64_000, 65_000)
        assert number >= 65_001


def test_a_root_without_other_users_has_none() -> None:
    assert idmap.chosen(b"/work", ["0 1000 1\n"]) == 0
