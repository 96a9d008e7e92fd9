"""The sandbox's description as data, bubblewrap's options of it, and the filter of system calls."""

from __future__ import annotations

import errno
import struct

import pytest
from fpack.builders.protocol import BuildError
from fpack.builders.sandbox.bwrap import SandboxError, forbidden
from fpack.builders.sandbox.seccomp import MACHINES, build_filter
from fpack.builders.sandbox.spec import BuildLimits, SandboxPaths, Spec, limits_of, options

PLACES = SandboxPaths("/views/r", "/work", "/disk/store")


def test_options_are_a_function_of_the_spec_and_the_places() -> None:
    spec = Spec("/fpack/store/r", ("/bin/sh",), (("A", "b"),), ("/fpack/store/x",), ("o",), (("f", "text"),))
    words = options(spec, PLACES)
    assert words == options(spec, PLACES)
    text = " ".join(words)
    for part in (
        "--ro-bind /views/r/root /", "--bind /work/build /build", "--bind /work/out /fpack/store",
        "--uid 1000 --gid 1000",
        "--ro-bind /disk/store/x /fpack/store/x", "--ro-bind /work/control /run/fpack", "--clearenv --setenv A b",
        "--ro-bind-try /proc/sys /proc/sys", "--die-with-parent", "--as-pid-1", "--new-session",
    ):  # fmt: skip
        assert part in text
    # What is mounted later hides what was mounted before.
    assert text.index("--bind /work/out /fpack/store") < text.index("/fpack/store/x")
    binds = [words[i + 2] for i, word in enumerate(words) if word == "--bind"]
    assert binds == ["/tmp", "/build", "/fpack/store"], "nothing else can be written"


def test_at_a_terminal_a_shell_has_job_control_and_the_same_sandbox() -> None:
    spec = Spec("/fpack/store/r", ("/bin/sh",))
    plain, shell = options(spec, PLACES), options(spec, PLACES, terminal=True)
    assert set(plain) - set(shell) == {"--as-pid-1", "--new-session"} and not set(shell) - set(plain)


@pytest.mark.parametrize("value", [{"second": 1}, {"seconds": 0}, {"memory": "1G"}, {"size": -1}, {"size": True}, [1]])
def test_limits_that_are_none_are_refused(value: object) -> None:
    with pytest.raises(BuildError):
        limits_of(value)


def test_limits_that_are_not_named_have_their_defaults() -> None:
    assert limits_of(None) == BuildLimits()
    assert limits_of({"seconds": 5, "memory": None}) == BuildLimits(seconds=5)


class Machine:
    """Runs a filter as the kernel does: enough of classic BPF for it."""

    def __init__(self, program: bytes, audit: int) -> None:
        self.code = [struct.unpack_from("<HBBI", program, i) for i in range(0, len(program), 8)]
        self.audit = audit

    def verdict(self, number: int, *arguments: int, audit: int | None = None) -> int:
        """0 if a call is made, else its error."""
        data = struct.pack("<IIQ", number, self.audit if audit is None else audit, 0)
        data += struct.pack("<6Q", *arguments, *(0,) * (6 - len(arguments)))
        value, at = 0, 0
        while True:
            code, true, false, constant = self.code[at]
            at += 1
            if code == 0x20:
                (value,) = struct.unpack_from("<I", data, constant)
            elif code == 0x06:
                return 0 if constant == 0x7FFF0000 else constant & 0xFFFF
            else:
                taken = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
                at += true if taken else false


@pytest.mark.parametrize(("name", "chmod", "clone"), [("x86_64", 268, 56), ("aarch64", 53, 220), ("riscv64", 53, 220)])
def test_the_filter_of_each_machine_lets_work_through_and_no_more(name: str, chmod: int, clone: int) -> None:
    program = build_filter(name)
    assert len(program) // 8 < 4096
    machine = Machine(program, MACHINES[name].audit)
    assert machine.verdict(chmod, 0, 0, 0o755) == 0
    for mode in (0o4755, 0o2755, 0o6000):
        assert machine.verdict(chmod, 0, 0, mode) == errno.EPERM
    assert machine.verdict(clone, 17) == 0
    assert machine.verdict(clone, 0x10000000 | 17) == errno.EPERM
    assert machine.verdict(435) == errno.ENOSYS
    assert machine.verdict(425) == errno.ENOSYS
    assert machine.verdict(chmod, 0, 0, 0o755, audit=0x40000003) == errno.ENOSYS


def test_a_file_is_opened_with_any_mode_unless_it_is_made() -> None:
    machine = Machine(build_filter("x86_64"), MACHINES["x86_64"].audit)
    assert machine.verdict(257, 0, 0, 0, 0o4755) == 0
    assert machine.verdict(257, 0, 0, 0o101, 0o644) == 0
    assert machine.verdict(257, 0, 0, 0o101, 0o4755) == errno.EPERM
    assert machine.verdict(2, 0, 0o101, 0o2755) == errno.EPERM


def test_an_unknown_machine_has_no_sandbox() -> None:
    with pytest.raises(SandboxError):
        build_filter("pdp11")


def test_programs_of_another_architecture_are_not_blamed_on_namespaces() -> None:
    error = forbidden("bwrap: execvp /bin/bash: Exec format error")
    assert "cannot run the programs" in error.what and "another architecture" in error.why and "qemu" in error.hint
    assert "Exec format error" in error.why and "namespaces" not in error.hint
    assert "make a sandbox" in forbidden("bwrap: No permissions to create a new namespace").what
