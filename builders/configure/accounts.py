"""Seed the accounts of a tree for maintainer scripts, and read those that scripts leave.

The records of accounts have the form that `rootfs/accounts.assign` takes.
"""

from __future__ import annotations

from typing import NamedTuple

from fpack.store.canonical import Value

SHADOW_GID = 42  # Debian's
_MAX_LINES = 10_000
FILES = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")


class Accounts(NamedTuple):
    """The content of passwd and group: the fields of each line, by name."""

    users: dict[str, list[str]]
    groups: dict[str, list[str]]


def parse(passwd: bytes, group: bytes) -> Accounts:
    """Parse passwd and group. Skip malformed lines."""
    return Accounts(_lines(passwd, 7), _lines(group, 4))


def _lines(content: bytes, count: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in content.decode("utf-8", "replace").splitlines()[:_MAX_LINES]:
        fields = line.split(":")
        numbers = fields[2:4] if count == 7 else fields[2:3]
        if len(fields) == count and fields[0] and all(map(_number, numbers)):
            found.setdefault(fields[0], fields)
    return found


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def seed(accounts: Accounts) -> dict[str, tuple[bytes, int, int]]:
    """Return the account files for a tree: content, mode and group by name. Passwords are locked."""
    users = {name: [name, "x", *fields[2:]] for name, fields in accounts.users.items()}
    groups = {name: [name, "x", *fields[2:]] for name, fields in accounts.groups.items()}
    return {
        "passwd": ("".join(f"{':'.join(fields)}\n" for fields in users.values()).encode(), 0o644, 0),
        "group": ("".join(f"{':'.join(fields)}\n" for fields in groups.values()).encode(), 0o644, 0),
        "shadow": ("".join(f"{name}:*:19000:0:99999:7:::\n" for name in users).encode(), 0o640, SHADOW_GID),
        "gshadow": ("".join(f"{name}:*::{fields[3]}\n" for name, fields in groups.items()).encode(), 0o640, SHADOW_GID),
    }


def records(found: Accounts) -> tuple[list[Value], list[Value]]:
    """Return records of all users and groups, sorted by name."""
    names = {fields[2]: name for name, fields in reversed(found.groups.items())}
    users: list[Value] = []
    for name, (_, _, uid, gid, comment, home, shell) in sorted(found.users.items()):
        group = names.get(gid, "nogroup")
        users.append(
            {"name": name, "uid": int(uid), "gid": int(gid) if group == name else None, "group": group,
             "home": home or "/nonexistent", "shell": shell, "comment": comment.split(",")[0]}
        )  # fmt: skip
    groups: list[Value] = [
        {"name": name, "gid": int(fields[2]), "members": sorted(set(fields[3].split(",")) - {""})}
        for name, fields in sorted(found.groups.items())
    ]
    return users, groups
