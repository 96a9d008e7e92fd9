"""Store paths: `/fpack/store/<32 base 32 characters>-<name>`, validated once, where they enter."""

from __future__ import annotations

import re
from typing import NamedTuple

from blake3 import blake3

from . import base32, canonical
from .errors import InvalidName

STORE = "/fpack/store"
HASH_BYTES = 20
HASH_CHARS = 32
MAX_NAME = 200
_NAME = re.compile(r"[0-9A-Za-z+_=][0-9A-Za-z+._=-]*\Z")
_REFERENCE = re.compile(r"/fpack/store/([0-9abcdfghijklmnpqrsvwxyz]{32})-([0-9A-Za-z+._=-]+)")


class StorePath(NamedTuple):
    """An immutable tree's name in the store. `hash` is 32 base 32 characters, `name` a checked store name."""

    hash: str
    name: str

    def __str__(self) -> str:
        return f"{STORE}/{self.hash}-{self.name}"

    @property
    def base(self) -> str:
        """The last component: `<hash>-<name>`."""
        return f"{self.hash}-{self.name}"


def check_name(name: str) -> str:
    """`name` itself if a store path can have it, else InvalidName."""
    if len(name) > MAX_NAME:
        raise InvalidName(f"The store name {name[:40]!r}... has {len(name)} characters", why=f"the limit is {MAX_NAME}")
    if not _NAME.match(name):
        raise InvalidName(
            f"{name!r} cannot be a name in the store",
            why="names have letters, digits and + . _ = - and do not begin with a dot or a dash",
        )
    return name


def clean_name(text: str) -> str:
    """A valid store name made from any text: Debian versions hold `:` and `~`, for example."""
    name = re.sub(r"[^0-9A-Za-z+._=-]", "_", text).lstrip(".-")[:MAX_NAME]
    return name or "_"


def parse(text: str) -> StorePath:
    """The store path that `text` names, with or without the leading `/fpack/store/`; InvalidName otherwise."""
    base = text[len(STORE) + 1 :] if text.startswith(STORE + "/") else text
    hash_, dash, name = base[:HASH_CHARS], base[HASH_CHARS : HASH_CHARS + 1], base[HASH_CHARS + 1 :]
    if dash != "-" or len(hash_) != HASH_CHARS or any(c not in base32.ALPHABET for c in hash_):
        raise InvalidName(f"{text!r} is not a store path", why=f"one looks like {STORE}/<32 characters>-<name>")
    return StorePath(hash_, check_name(name))


def make(name: str, tree: bytes, references: list[StorePath]) -> StorePath:
    """The content-addressed path of a tree: 160 bits of BLAKE3 over its name, tree digest and sorted references."""
    body = canonical.encode(["fpack path 1", check_name(name), tree, sorted(str(r) for r in references)])
    return StorePath(base32.encode(blake3(body).digest(HASH_BYTES)), name)


def find_references(text: str) -> list[tuple[str, str]]:
    """Every (hash, name) of a store path or placeholder in `text`. A name runs as far as its characters do."""
    if STORE not in text:
        return []
    return _REFERENCE.findall(text)
