"""Read from a README by which commands a project is built or installed. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

_HEADING = re.compile(
    r"(?P<marks>#{1,6})[ \t]+(?P<title>.+)|(?P<text>\S[^\n]{0,80})\n(?P<line>([=~*^\"-])\5{2,})[ \t]*$", re.MULTILINE
)
_INSTALLS = re.compile(r"install|build|compil|set.?up|getting started|quick.?start|from source", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(```|~~~)[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`{1,2}([\w$./][^`\s]{0,40} [^`\n]{1,200})`")  # a word alone is the name of a tool
_INDENTED = re.compile(r"^(?:[ ]{2,}|\t|[$%>] )(.+)$", re.MULTILINE)
_PREFIX = re.compile(
    r"(?:[$#>%]\s+|sudo\s+(?:-\w\s+)?|python[\d.]*\s+-m\s+|[A-Z_]{1,40}=\S{1,200}\s+|cd\s+\S{1,200}\s*(?:&&|;)\s*)+"
)
MAX_TEXT = 200_000
MAX_HEADINGS = 500

# The commands of each kind. `{name}` is the project's name, or a path to it.
_COMMANDS: Mapping[str, str] = {
    "python": r"(pip[\d.]*|pipx|uv pip|uv tool)\s+install\s+(-\S+\s+)*{name}|uv (sync|run)\b|poetry (install|run)\b|"
    r"python[\d.]*\s+(\./)?setup\.py\s+(install|build|develop)|pip[\d.]* install -r\b|(python[\d.]* )?manage\.py\b",
    "node": r"(npm|pnpm|yarn|bun)\s+(ci|start|run\s+\S+|build|dev)\b|(npm|pnpm|yarn|bun)\s+(i|install|add|global add)"
    r"(\s+-\S+)*(\s+{name}|\s*$)|yarn\s*$|npx\s+(-\S+\s+)*{name}",
    "go": r"go (build|install|run|get)\b",
    "rust": r"cargo (build|install|run)\b",
    "ruby": r"gem (install|build)\b.*{name}|bundle (install|exec)\b|rails s|rake\b",
    "java": r"(\./)?(mvnw?|gradlew?)\b",
    "php": r"(php )?composer(\.phar)? (install|create-project|require|global)\b|php artisan\b",
    "cmake": r"c?cmake(\s+([-.$/\"]|\S*/|\S*build)|\s*$)",
    "meson": r"meson(\s+(setup|compile|install|[-.]|\S*build)|\s*$)",
    "autotools": r"(sh )?\./(configure|autogen\.sh|bootstrap)\b|autoreconf\b",
    "make": r"g?make(\s+(-|all\b|install\b|build\b|[A-Z]\w*=)|\s*$)",
}


def mentioned(text: str, name: str) -> list[str]:
    """Return the kinds whose commands a README has, the first mentioned first. `make`, which all use, is the last.

    Commands below a heading about building or installing count; those of the whole text do if there are none.
    """
    text = text[:MAX_TEXT]
    return _kinds("\n".join(_sections(text)), name) or _kinds(text, name)


def _kinds(text: str, name: str) -> list[str]:
    """Return the kinds of the commands in a text."""
    own = rf"""['"]?(?:\.|\./\S*|(?:[\w@.+:/-]*/)?(?i:{re.sub(r"[-_.]+", "[-_.]+", re.escape(name))})(?![\w-])|git\+)"""
    patterns = {kind: re.compile(found.replace("{name}", own)) for kind, found in _COMMANDS.items()}
    found: dict[str, None] = {}
    for line in _commands(text):
        for part in re.split(r"\s*(?:&&|;)\s*", line):
            found |= dict.fromkeys(kind for kind, pattern in patterns.items() if pattern.match(_PREFIX.sub("", part)))
    return sorted(found, key=lambda kind: kind == "make")


def _commands(text: str) -> Iterator[str]:
    """Yield the lines that are commands: of fenced and indented blocks, after a prompt, and inline code."""
    found: list[tuple[int, str]] = []
    for block in _FENCE.finditer(text):
        found += [(block.start(), line.strip()) for line in block[2].splitlines()]
    for pattern in (_INDENTED, _INLINE):
        found += [(match.start(), match[1].strip()) for match in pattern.finditer(text)]
    yield from (line for _, line in sorted(found, key=lambda entry: entry[0]))


def _sections(text: str) -> Iterator[str]:
    """Yield the sections about building or installing, each up to the next heading of its level."""
    plain = _FENCE.sub(lambda block: " " * len(block[0]), text)
    headings = list(islice(_HEADING.finditer(plain), MAX_HEADINGS))
    for number, match in enumerate(headings):
        if not _INSTALLS.search(match["title"] or match["text"]):
            continue
        level = _level(match)
        after = [later for later in headings[number + 1 :] if _level(later) <= level]
        yield text[match.end() : after[0].start() if after else len(text)]


def _level(heading: re.Match[str]) -> int:
    """Return the level of a heading: 1 is the highest."""
    if heading["marks"]:
        return len(heading["marks"])
    return {"=": 1, "-": 2}.get(heading["line"][0], 3)
