"""What a hostile build asks of the kernel, attempted from inside builds of root and of a user without rights."""

from __future__ import annotations

import errno
import os

import pytest
from support.attacks import Caller


@pytest.fixture(scope="module")
def calls(caller: Caller) -> dict[str, str]:
    """What came of each attempt, by its name."""
    lines = caller.build("attacker calls /build > $out", "calls").output.read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


PERMISSION, ABSENT, UNSUPPORTED = errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP
WAYS = (
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "open",
    "openat",
    "creat",
    "mknod",
    "mknodat",
    "tmpfile",
    "high-bits",
)
NAMESPACES = ("user", "mount", "pid", "net", "uts", "ipc", "cgroup")
REFUSED = {
    **{f"{bits}-{way}": PERMISSION for bits in ("suid", "sgid") for way in WAYS},
    **{f"{bits}-{way}": ABSENT for bits in ("suid", "sgid") for way in ("openat2", "x32")},
    "sgid-directory": PERMISSION,
    **dict.fromkeys(("setxattr", "lsetxattr", "fsetxattr", "setxattrat", "capability"), UNSUPPORTED),
    **{f"{call}-{kind}": PERMISSION for call in ("unshare", "clone") for kind in NAMESPACES},
    **dict.fromkeys(("clone-both", "unshare-time", "setns", "mount", "remount", "umount", "pivot-root", "chroot",
                     "open-tree", "move-mount", "fsopen", "mount-setattr", "add-key", "request-key", "keyctl",
                     "tiocsti", "tiocsti-high-bits", "tioclinux", "ptrace-attach", "ptrace-seize", "process-vm-readv",
                     "pidfd-getfd", "open-by-handle", "bpf", "perf-event-open", "userfaultfd", "fanotify-init",
                     "syslog", "kexec-load", "init-module", "delete-module", "reboot", "settimeofday", "swapon", "acct",
                     "quotactl", "iopl", "ioperm", "character-device", "block-device",
                     "setgroups", "sethostname", "setrlimit"), PERMISSION),
    **dict.fromkeys(("clone3", "io-uring-setup", "io-uring-enter", "io-uring-register"), ABSENT),
    **{f"socket-{kind}": errno.EAFNOSUPPORT for kind in ("packet", "vsock", "alg", "key", "bluetooth", "xdp")},
    "socketpair-tipc": errno.EAFNOSUPPORT,
    **dict.fromkeys(("setuid-root", "setgid-root", "chown-root"), errno.EINVAL),  # there is no such number
    "nice": errno.EACCES,
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_call_that_reaches_past_the_sandbox_is_refused(calls: dict[str, str], name: str) -> None:
    said, _, number = calls[name].partition(" ")
    assert said == "refused" and int(number) == REFUSED[name], f"{name}: {calls[name]}, {os.strerror(int(number or 0))}"


@pytest.mark.parametrize("name", ["suid-int80", "sgid-int80"])
def test_calls_of_another_architecture_are_refused(calls: dict[str, str], name: str) -> None:
    # A kernel that knows none of them ends the process.
    assert calls[name] in (f"refused {ABSENT}", "signal 11"), calls[name]
