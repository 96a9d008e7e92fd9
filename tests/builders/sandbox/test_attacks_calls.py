"""System calls that a hostile build attempts, in builds of root and of a user without rights."""

from __future__ import annotations

import errno

import pytest
from support.attacks.builds import Caller
from support.attacks.refused_calls import OTHER_ARCHITECTURE, REFUSED, check_refused


@pytest.fixture(scope="module")
def calls(caller: Caller) -> dict[str, str]:
    """Return the result of each attempt, by its name."""
    lines = caller.build("attacker calls /build > $out", "calls").output.read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


WAYS = ("chmod", "fchmod", "fchmodat", "fchmodat2", "open", "openat", "creat", "mknod", "mknodat", "tmpfile",
        "high-bits")  # fmt: skip
REFUSED_BUILDS = {
    **REFUSED,
    **{f"{bits}-{way}": errno.EPERM for bits in ("suid", "sgid") for way in WAYS},
    **dict.fromkeys(
        ("sgid-directory", "chroot", "tiocsti", "tiocsti-high-bits", "tioclinux", "setgroups"), errno.EPERM
    ),
    **dict.fromkeys(("setuid-root", "setgid-root", "chown-root"), errno.EINVAL),  # there is no such number
}


@pytest.mark.parametrize("name", [*REFUSED_BUILDS, *OTHER_ARCHITECTURE])
def test_a_call_that_reaches_past_the_sandbox_is_refused(calls: dict[str, str], name: str) -> None:
    check_refused(calls, name, REFUSED_BUILDS)
