"""Find who made a package and under which address: an email address, a page, or the page of the project.

Where no person is named, it is the owner of the repository that the package names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from .part import line

# Hosts whose first directory is the owner of the repositories in it.
_HOSTS = ("github.com", "gitlab.com", "codeberg.org", "bitbucket.org")
_SHORT = re.compile(r"(?:(github|gitlab|bitbucket):)?([\w.-]+)/([\w.-]+?)(?:\.git)?(?:#.*)?\Z")
_SSH = re.compile(r"(?:git\+)?(?:ssh://)?git@([\w.-]+)[:/](.+?)(?:\.git)?(?:#.*)?\Z")
_WEB = re.compile(
    r"(?:git\+)?(?:https?|git|ssh)://(?:[^@/\s]*@)?([\w.-]+)(?::\d+)?/([^\s#?]*?)(?:\.git)?/?(?:[#?]\S*)?\Z"
)
_PERSON = re.compile(r"([^<(]*)(?:<([^>]*)>)?\s*(?:\(([^)]*)\))?")
_PAGE = re.compile(r"https?://[^\s<>\"]+\Z")
MAX_PEOPLE = 16


class Person(NamedTuple):
    """A person or a group. email, page: of theirs, or ""."""

    name: str
    email: str = ""
    page: str = ""


def person(text: str) -> Person | None:
    """Parse `NAME <EMAIL> (PAGE)`, as in package.json and Cargo.toml. Return None if it names nobody."""
    match = _PERSON.match(line(text))
    name, email, page = (part.strip() if part else "" for part in match.groups()) if match else ("", "", "")
    if "@" in name and not email:
        name, email = "", name
    email = email if "@" in email and " " not in email else ""
    name = name.strip(" \"'") or email
    return Person(name, email, page if _PAGE.match(page) else "") if name else None


def web(text: str) -> str:
    """Return a web address, or "" if the text is none."""
    text = line(text)
    return text if _PAGE.match(text) else ""


def repository(text: str, short: bool = False) -> str:
    """Return the web address of a repository. short: `OWNER/NAME` is one of GitHub, as npm says."""
    text = line(text)
    if match := _SSH.match(text) or _WEB.match(text):
        return f"https://{match[1].lower()}/{match[2]}"
    if short and (match := _SHORT.match(text)):
        host = {"bitbucket": "bitbucket.org", "gitlab": "gitlab.com"}.get(match[1] or "", "github.com")
        return f"https://{host}/{match[2]}/{match[3]}"
    return ""


def owner(page: str) -> Person | None:
    """Return the owner of a repository that lies on a host with directories of owners."""
    host, _, rest = page.removeprefix("https://").removeprefix("http://").partition("/")
    host, first = host.lower().removeprefix("www."), rest.partition("/")[0]
    known = host in _HOSTS and re.fullmatch(r"[\w.-]+", first)
    return Person(first, page=f"https://{host}/{first}") if known else None


def lines(people: Iterable[Person | None], pages: Iterable[str]) -> str:
    """Return people as lines of `NAME <ADDRESS>`. pages: the project's, the first one for those without an address."""
    project = next(filter(None, pages), "")
    found: list[str] = []
    for each in people:
        if each is not None and len(found) < MAX_PEOPLE:
            address = each.email or each.page or project
            found.append(f"{each.name} <{address}>" if address and address != each.name else each.name)
    return "\n".join(dict.fromkeys(found))
