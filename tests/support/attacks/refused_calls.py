"""The system calls that every sandbox refuses, by the names that `attacker calls` gives them, and how."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

PERMISSION, ABSENT, UNSUPPORTED = errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP
NAMESPACES = ("user", "mount", "pid", "net", "uts", "ipc", "cgroup")
REFUSED = {
    **dict.fromkeys(("suid-openat2", "sgid-openat2", "suid-x32", "sgid-x32"), ABSENT),
    **dict.fromkeys(("setxattr", "lsetxattr", "fsetxattr", "setxattrat", "capability"), UNSUPPORTED),
    **{f"{call}-{kind}": PERMISSION for call in ("unshare", "clone") for kind in NAMESPACES},
    **dict.fromkeys(("clone-both", "unshare-time", "setns", "mount", "remount", "umount", "pivot-root", "open-tree",
                     "move-mount", "fsopen", "mount-setattr", "add-key", "request-key", "keyctl",
                     "ptrace-attach", "ptrace-seize", "process-vm-readv",
                     "pidfd-getfd", "open-by-handle", "bpf", "perf-event-open", "userfaultfd", "fanotify-init",
                     "syslog", "kexec-load", "init-module", "delete-module", "reboot", "settimeofday", "swapon", "acct",
                     "quotactl", "iopl", "ioperm", "character-device", "block-device", "sethostname",
                     "setrlimit"), PERMISSION),
    **dict.fromkeys(("clone3", "io-uring-setup", "io-uring-enter", "io-uring-register"), ABSENT),
    **{f"socket-{kind}": errno.EAFNOSUPPORT for kind in ("packet", "vsock", "alg", "key", "bluetooth", "xdp")},
    "socketpair-tipc": errno.EAFNOSUPPORT,
    "nice": errno.EACCES,
}  # fmt: skip
OTHER_ARCHITECTURE = ("suid-int80", "sgid-int80")


def check_refused(calls: Mapping[str, str], name: str, expected: Mapping[str, int]) -> None:
    """Check what came of a call: the expected error, or none that the kernel has for another architecture."""
    if name in OTHER_ARCHITECTURE:
        # A kernel that knows none of them ends the process.
        assert calls[name] in (f"refused {ABSENT}", "signal 11"), calls[name]
        return
    said, _, number = calls[name].partition(" ")
    assert said == "refused" and int(number) == expected[name], (
        f"{name}: {calls[name]}, {os.strerror(int(number or 0))}"
    )
