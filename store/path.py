"""Parse and validate store paths: `/fpack/store/<32 base 32 characters>-<name>`."""

from __future__ import annotations

from functools import lru_cache

from blake3 import blake3
from fpack.light_typing import TYPE_CHECKING, NamedTuple

from . import base32, canonical
from .errors import InvalidName

if TYPE_CHECKING:
    import re

STORE = "/fpack/store"
HASH_BYTES = 20
HASH_CHARS = 32
MAX_NAME = 200
_CHARACTERS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+._=-")
_REFERENCE = r"/fpack/store/([0-9abcdfghijklmnpqrsvwxyz]{32})-([0-9A-Za-z+._=-]+)"


class StorePath(NamedTuple):
    """The name of an immutable tree in the store. hash: 32 base 32 characters. name: a checked store name."""

    hash: str
    name: str

    def __str__(self) -> str:
        return f"{STORE}/{self.hash}-{self.name}"

    @property
    def base(self) -> str:
        """The last component: `<hash>-<name>`."""
        return f"{self.hash}-{self.name}"


def check_name(name: str) -> str:
    """Return `name` if it is a valid store name, else raise InvalidName."""
    if len(name) > MAX_NAME:
        raise InvalidName(f"The store name {name[:40]!r}... has {len(name)} characters", why=f"the limit is {MAX_NAME}")
    if not name or name[0] in ".-" or not _CHARACTERS.issuperset(name):
        raise InvalidName(
            f"{name!r} is not a valid store name",
            why="a name consists of letters, digits and + . _ = - and does not begin with a dot or a dash",
            hint=f"for example {clean_name(name)}",
        )
    return name


def clean_name(text: str) -> str:
    """Make a valid store name from any text. (Debian versions hold `:` and `~`, for example.)"""
    name = "".join(c if c in _CHARACTERS else "_" for c in text).lstrip(".-")[:MAX_NAME]
    return name or "_"


def parse(text: str) -> StorePath:
    """Return the store path that `text` names, with or without `/fpack/store/`. Raise InvalidName for other text."""
    base = text[len(STORE) + 1 :] if text.startswith(STORE + "/") else text
    hash_, dash, name = base[:HASH_CHARS], base[HASH_CHARS : HASH_CHARS + 1], base[HASH_CHARS + 1 :]
    if dash != "-" or len(hash_) != HASH_CHARS or hash_.strip(base32.ALPHABET):
        raise InvalidName(f"{text!r} is not a store path", why=f"the form is {STORE}/<32 characters>-<name>")
    return StorePath(hash_, check_name(name))


def make(name: str, tree: bytes, references: list[StorePath]) -> StorePath:
    """Return the content-addressed path of a tree: 160 bits of BLAKE3 over name, tree digest and sorted references."""
    body = canonical.encode_ordered(["fpack path 1", check_name(name), tree, sorted(str(r) for r in references)])
    return StorePath(base32.encode(blake3(body).digest(HASH_BYTES)), name)


def find_references(text: str) -> list[tuple[str, str]]:
    """Return (hash, name) of every store path or placeholder in `text`.

    A name extends as far as characters that are valid in names.
    """
    if STORE not in text:
        return []
    return _references().findall(text)


@lru_cache(1)
def _references() -> re.Pattern[str]:
    import re  # when it is used: an evaluation of plain data has no references

    return re.compile(_REFERENCE)
