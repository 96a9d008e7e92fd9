"""Move the /usr of a root to a directory of its own, where programs run beside the files of any other system.

Debian's programs have absolute paths compiled in. The new directory's name, `/.fp`, is as long as `/usr`, so each path
is replaced in place, and no offset in a program changes. Programs then start with their own loader, and find their own
libraries and data there. Paths outside of /usr stay: /etc, /var and the like are those of the other system.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

PREFIX = "/.fp"
PATH = f"{PREFIX}/bin:{PREFIX}/sbin"
LOADER_CACHE = f"{PREFIX}/ld.so.cache"
_ELF = b"\x7fELF"
_HEAD = 8192  # bytes in which a text has no NUL

# The directories of merged /usr beside it. Each entry of such a directory also has a link in the new directory itself.
MERGED = ("lib", "lib64", "bin", "sbin")
# The replacements are as long as what they replace: /sbin/ip becomes /.fp//ip.
_REPLACED = {b"usr": b"/.fp", b"lib": b"/.fp", b"bin": b"/.fp", b"sbin": b"/.fp/", b"lib64": b"/.fp//"}
_PATH = re.compile(
    # Not within a longer path or word: a variable before it, as in $DESTDIR/usr, selects another tree.
    rb"(?<![\w.+~%)}-])/(?:(usr|lib64|lib|sbin|bin)(?![\w.+~-])"
    # These tell about the other system.
    rb"(?!/share/zoneinfo|/lib/debug|/modules|/firmware)"
    rb"|etc/(ld\.so\.(?:cache|preload))(?![\w.]))"
    # Any byte can be before the loader's path in a program's header.
    rb"|(?<!/usr)/(lib|lib64)(?=/ld(?:-linux|64)[\w.-]*\.so\.)"
)


def relocate(content: bytes) -> bytes:
    """Return the content of a program or a text with other paths. Other files, such as archives, stay as they are."""
    if not content.startswith(_ELF) and b"\0" in content[:_HEAD]:
        return content
    return _PATH.sub(_replacement, content)


def _replacement(match: re.Match[bytes]) -> bytes:
    top, loader_file, loader_top = match.groups()
    return b"/.fp/" + loader_file if loader_file else _REPLACED[top or loader_top]


def merged_links(paths: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the name of each link in the new directory, and the path in it that the link leads to.

    paths: relative to the new directory.
    """
    taken = {path.partition("/")[0] for path in paths}
    for directory in MERGED:
        for path in sorted(paths):
            top, _, name = path.partition("/")
            if top == directory and name and "/" not in name and name not in taken:
                taken.add(name)
                yield name, path
