"""Assign the users and groups of a root: Debian's static ones, fixed ones, and those that packages declare."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value

FIRST_ID, LAST_ID = 900, 59999
MAX_LINE = 4096  # shlex.split takes time quadratic in the length of a line
NOLOGIN = "/usr/sbin/nologin"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z")
_NUMBER = re.compile(r"[0-9]{1,9}\Z")

# The numbers that Debian Policy 9.2.2 allocates statically.
_STATIC_GROUPS = """
root 0|daemon 1|bin 2|sys 3|adm 4|tty 5|disk 6|lp 7|mail 8|news 9|uucp 10|man 12|proxy 13|kmem 15|dialout 20|fax 21
voice 22|cdrom 24|floppy 25|tape 26|sudo 27|audio 29|dip 30|www-data 33|backup 34|operator 37|list 38|irc 39|src 40
shadow 42|utmp 43|video 44|sasl 45|plugdev 46|staff 50|games 60|users 100|nogroup 65534
"""
_STATIC_USERS = """
root 0 root /root|daemon 1 daemon /usr/sbin|bin 2 bin /bin|sys 3 sys /dev|sync 4 nogroup /bin|games 5 games /usr/games
man 6 man /var/cache/man|lp 7 lp /var/spool/lpd|mail 8 mail /var/mail|news 9 news /var/spool/news
uucp 10 uucp /var/spool/uucp|proxy 13 proxy /bin|www-data 33 www-data /var/www|backup 34 backup /var/backups
list 38 list /var/list|irc 39 irc /run/ircd|_apt 42 nogroup /nonexistent|nobody 65534 nogroup /nonexistent
"""


class User(NamedTuple):
    """A line of passwd. group: the primary group's name. gid: its number."""

    name: str
    uid: int
    gid: int
    group: str
    home: str
    shell: str
    comment: str = ""


class Group(NamedTuple):
    """A line of the group file."""

    name: str
    gid: int
    members: tuple[str, ...] = ()


def parse_sysusers(text: str) -> tuple[list[Value], list[Value]]:
    """Parse the users and groups of a sysusers.d(5) file. Unspecified fields are None or empty."""
    users: list[Value] = []
    groups: list[Value] = []
    for line in text.splitlines():
        if len(line) > MAX_LINE:
            continue
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        words = ["" if word == "-" else word for word in words]
        if len(words) < 2 or not _NAME.match(words[1]):
            continue
        kind, name, id_, comment, home, shell = (words + [""] * 4)[:6]
        uid, _, gid = id_.partition(":")
        if kind.rstrip("!") == "u":
            group = gid if gid and not _NUMBER.match(gid) else name
            users.append(
                {"name": name, "uid": _id(uid), "gid": _id(gid or uid) if group == name else None, "group": group,
                 "home": home or "/", "shell": shell or NOLOGIN, "comment": comment}
            )  # fmt: skip
            if group == name:
                groups.append({"name": name, "gid": _id(gid or uid)})
        elif kind == "g":
            groups.append({"name": name, "gid": _id(uid)})
        elif kind == "m" and _NAME.match(id_):
            groups.append({"name": id_, "gid": None, "members": [name]})
    return users, groups


def _id(text: str) -> int | None:
    return int(text) if _NUMBER.match(text) else None


def assign(
    fixed: Sequence[Mapping[str, Value]],
    users: Iterable[Mapping[str, Value]],
    groups: Iterable[Mapping[str, Value]],
    root_shell: str = "/bin/sh",
) -> tuple[list[User], list[Group]]:
    """Return all users and groups of a root, sorted by number: static, fixed, and those of packages.

    Packages' accounts are assigned in order of name. A number given by a package is used if it is free; otherwise the
    account gets the next free number from 900 on, the same for a user and the group of that name if it is free for
    both. The result does not depend on the order of `users` and `groups`.
    """
    table = _Accounts()
    for word in _STATIC_GROUPS.replace("\n", "|").split("|"):
        if word:
            name, gid = word.split()
            table.add_group(name, int(gid))
    for word in _STATIC_USERS.replace("\n", "|").split("|"):
        if word:
            name, uid, group, home = word.split()
            shell = {"root": root_shell, "sync": "/bin/sync"}.get(name, NOLOGIN)
            table.add_user(User(name, int(uid), table.groups[group].gid, group, home, shell, name))
    for record in fixed:
        table.fix(record)
    wanted_groups: dict[str, int | None] = {}
    members: dict[str, set[str]] = {}
    for record in sorted(groups, key=_order):
        wanted_groups[record["name"]] = wanted_groups.get(record["name"]) or record.get("gid")
        members.setdefault(record["name"], set()).update(record.get("members") or ())
    wanted: dict[str, Mapping[str, Value]] = {}
    for record in sorted(users, key=_order):
        wanted.setdefault(record["name"], record)
    for name in sorted(wanted_groups.keys() | wanted.keys()):
        table.take(name, wanted.get(name), wanted_groups.get(name), name in wanted_groups)
    # Users may have a primary group of another name, so they are added after all groups.
    for name in sorted(wanted):
        table.take_user(wanted[name])
    known = {user.name for user in table.users.values()}
    final = [
        group._replace(members=tuple(sorted(members.get(group.name, set()) & known))) for group in table.groups.values()
    ]
    return sorted(table.users.values(), key=lambda u: u.uid), sorted(final, key=lambda g: g.gid)


def _order(record: Mapping[str, Value]) -> tuple[str, int, str]:
    number = record.get("uid") or record.get("gid")
    return record["name"], -1 if number is None else -2, repr(sorted(record.items(), key=repr))


class _Accounts:
    """The users and groups assigned so far."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self._uids: set[int] = set()
        self._gids: set[int] = set()
        self._next = FIRST_ID  # all numbers from FIRST_ID up to this one are taken

    def add_user(self, user: User) -> None:
        self.users[user.name] = user
        self._uids.add(user.uid)

    def add_group(self, name: str, gid: int) -> None:
        self.groups[name] = Group(name, gid)
        self._gids.add(gid)

    def fix(self, record: Mapping[str, Value]) -> None:
        """Add a user with given numbers, and its group. They replace static ones of the same name."""
        name, uid, gid = record["name"], record["uid"], record["gid"]
        group = record.get("group") or name
        for kind, who in (("user", name), ("group", group)):
            if not _NAME.match(who):
                raise BuildError(f"{who!r} is not a valid {kind} name")
        for kind, number in (("uid", uid), ("gid", gid)):
            if not isinstance(number, int) or not 0 <= number < 0xFFFFFFFF:
                why = f"{number!r} is not a number from 0 to {0xFFFFFFFE}"
                raise BuildError(f"The user {name} has no valid {kind}", why=why)
        taken = next((u.name for u in self.users.values() if u.uid == uid and u.name != name), None)
        if taken is not None:
            raise BuildError(f"The users {taken} and {name} have the same number", why=f"uid {uid}")
        known = self.groups.get(group)
        if known is None or known.gid != gid:
            other = next((g.name for g in self.groups.values() if g.gid == gid and g.name != group), None)
            if other is not None:
                raise BuildError(f"The groups {other} and {group} have the same number", why=f"gid {gid}")
            self.add_group(group, gid)
        for field in ("home", "shell", "comment"):
            _check_field(name, str(record.get(field) or ""))
        home, shell = record.get("home") or "/nonexistent", record.get("shell") or NOLOGIN
        self.add_user(User(name, uid, gid, group, home, shell, record.get("comment") or ""))

    def take(self, name: str, user: Mapping[str, Value] | None, gid: int | None, has_group: bool) -> None:
        """Add the group `name`, for a package's group or for a user whose primary group has the user's name."""
        own = user is not None and user["group"] == name
        if name in self.groups or not (has_group or own):
            return
        uid = user.get("uid") if user is not None and own else None
        if gid is None:
            gid = uid
        if gid is None or gid in self._gids:
            gid = self._free()
        self.add_group(name, gid)

    def take_user(self, record: Mapping[str, Value]) -> None:
        """Add a package's user."""
        name = record["name"]
        if name in self.users:
            return
        group = self.groups.get(record["group"]) or self.groups["nogroup"]
        uid = record.get("uid")
        if group.name == name and (uid is None or uid in self._uids):
            uid = group.gid
        if uid is None or uid in self._uids:
            uid = self._free()
        fields = [str(record.get(f) or "") for f in ("home", "shell", "comment")]
        if any(not _clean(field) for field in fields):
            fields = ["/nonexistent", NOLOGIN, ""]
        self.add_user(User(name, uid, group.gid, group.name, *fields))

    def _free(self) -> int:
        """Return the lowest number that is neither a uid nor a gid, so that a user and its group can share it."""
        for number in range(self._next, LAST_ID):
            if number not in self._uids and number not in self._gids:
                self._next = number
                return number
        raise BuildError("The root has too many system users: no free numbers are left")


def _clean(field: str) -> bool:
    return not re.search(r"[:\x00-\x1f\x7f]", field)


def _check_field(user: str, field: str) -> None:
    if not _clean(field):
        raise BuildError(f"A field of the user {user} contains a colon or a control character", why=repr(field))


def passwd(users: Iterable[User], shadow: bool = False) -> str:
    """Format the passwd file. The password `*` disables password logins without a shadow file.

    shadow: passwords are in the shadow file.
    """
    password = "x" if shadow else "*"
    return "".join(f"{u.name}:{password}:{u.uid}:{u.gid}:{u.comment}:{u.home}:{u.shell}\n" for u in users)


def group(groups: Iterable[Group], shadow: bool = False) -> str:
    """Format the group file. shadow: passwords are in the gshadow file."""
    password = "x" if shadow else "*"
    return "".join(f"{g.name}:{password}:{g.gid}:{','.join(g.members)}\n" for g in groups)


def declared(
    field: str, tables: Sequence[SliceTable], scripts: Sequence[Mapping[str, Value]]
) -> Iterator[Mapping[str, Value]]:
    """Yield the users or groups that packages declare. Those that scripts saw or made keep their numbers."""
    known = {record["name"] for record in scripts}
    yield from scripts
    for table in tables:
        yield from (record for record in table.extra.get(field, ()) if record["name"] not in known)
