"""Resolve the user of an image's configuration to `uid:gid`.

With numbers, an orchestrator can tell that the user is not root without reading the image's /etc/passwd.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from fpack.builders.arguments import described
from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value
from fpack.store.errors import did_you_mean

MAX_LISTED = 20
_MAX = 0xFFFFFFFE  # the largest number of a user or a group
_USER = re.compile(r"[^\s:/]+(:[^\s:/]+)?\Z")


def check_user(value: Value) -> str:
    """Return a user, as resolve_user takes it. Raise BuildError if it cannot be one in any image."""
    if not isinstance(value, str) or not _USER.match(value):
        raise BuildError(f"{described(value)} is not a user", hint="write a name, or numbers as uid or uid:gid")
    if too_large := [part for part in value.split(":") if part.isdecimal() and not _is_number(part)]:
        raise BuildError(
            f"{value!r:.100} is not a user", why=f"{too_large[0]:.40} is larger than {_MAX}, the largest number"
        )
    return value


def resolve_user(
    text: str, passwd: str, group: str, users: Iterable[Mapping[str, Value]], groups: Iterable[Mapping[str, Value]]
) -> str:
    """Return `uid:gid` for NAME, NAME:GROUP, UID or UID:GID.

    passwd, group: the texts of the image's files, which take precedence. users, groups: the accounts that the root
    assigned. An unknown UID gets group 0, as in docker and podman. Raise BuildError for an unknown name.
    """
    known = {str(u["name"]): (int(u["uid"]), int(u["gid"])) for u in users}
    known.update({name: (uid, gid) for name, uid, gid in _passwd(passwd)})
    known_groups = {str(g["name"]): int(g["gid"]) for g in groups}
    known_groups.update(_group(group))
    user, colon, wanted = text.partition(":")
    if _is_number(user):
        uid = int(user)
        gid = next((g for u, g in known.values() if u == uid), 0)
    elif user in known:
        uid, gid = known[user]
    else:
        raise _unknown("user", user, known)
    if colon:
        if _is_number(wanted):
            gid = int(wanted)
        elif wanted in known_groups:
            gid = known_groups[wanted]
        else:
            raise _unknown("group", wanted, known_groups)
    return f"{uid}:{gid}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _MAX


def _passwd(text: str) -> Iterable[tuple[str, int, int]]:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and _is_number(fields[2]) and _is_number(fields[3]):
            yield fields[0], int(fields[2]), int(fields[3])


def _group(text: str) -> Iterable[tuple[str, int]]:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and _is_number(fields[2]):
            yield fields[0], int(fields[2])


def _unknown(what: str, name: str, known: Iterable[str]) -> BuildError:
    names = sorted(known)
    shown = ", ".join(names[:MAX_LISTED]) + (", ..." if len(names) > MAX_LISTED else "")
    error = BuildError(
        f"The image has no {what} {name!r}",
        why=f"it has {shown}" if names else f"it has no {what}s",
        hint=did_you_mean(name, names) or f"give its number, or add the {what} in the container's `users`",
    )
    return error.with_(field="user")
