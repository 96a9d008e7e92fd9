"""Prepare what both versions of SPDX write: agents, licences, the files of components, and names as text.

The writers of SPDX yield documents in pieces and keep no text of a file, so that an image may have many files.
"""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from ..manifest.format import DIRECTORY, SYMLINK
from .model import GENERATED_FROM, Bill, BillFile, Component, LicenceText

# Bytes are the same on every machine: keys are sorted, and there is no white space.
encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode

_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_CHARACTER = r"[^\s\x00-\x1f\x7f\ud800-\udfff<>\"{}|\\^`]"  # that an IRI can have
_HOST = r"(?:[A-Za-z0-9-]{1,63}\.){1,30}[A-Za-z]{2,63}"
_URL = re.compile(
    rf"(?:https?|ftp|git|ssh|svn)://(?:[\w.+-]{{1,99}}@)?{_HOST}(?::[0-9]{{1,5}})?(?:[/?]{_CHARACTER}*)?\Z", re.ASCII
)
_ORGANISATION = re.compile(
    r"\b(?:team|teams|maintainers|group|project|developers|packagers|foundation|association|community|consortium|authority"
    r"|corporation|company|inc|ltd|llc|gmbh|debian|ubuntu)\b",
    re.IGNORECASE,
)
_LISTS = re.compile(r"(?:^|[.@-])(?:lists?|tracker|vger|bugs?|devel|users)[.@-]")  # in addresses of mailing lists
_UNKNOWN_TEXT = "The text of this licence is not known."


# ---- text


def clean(text: str) -> str:
    r"""Return `text` with `\xNN` in place of bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def path_bytes(path: str) -> bytes:
    """Return the bytes of a path of a bill."""
    return path.encode("utf-8", "surrogateescape")


def timestamp(seconds: int) -> str:
    """Return Unix seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slug(text: str) -> str:
    """Return `text` with only the characters that an identifier of SPDX may have."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "unnamed"


def namespace(bill: Bill) -> str:
    """Return the IRI that begins the identifiers of a bill's documents."""
    return f"https://spdx.org/spdxdocs/{slug(bill.subject.name)}-{bill.serial}"


def url(text: str) -> str:
    """Return `text` if it is a URL that SPDX accepts, or ""."""
    return text if _URL.match(text) else ""


# ---- agents


class Agent(NamedTuple):
    """A person or an organization. kind: "Person" or "Organization". address: an email address, a URL or ""."""

    kind: str
    name: str
    address: str


def agents(text: str) -> list[Agent]:
    """Parse `NAME <ADDRESS>`, an address or a name on each line.

    Debian's control files do not tell persons from teams, so the words of the name and the host of the address decide.
    """
    found = [_agent(line.strip()) for line in clean(text).splitlines()]
    return [agent for agent in found if agent is not None]


def _agent(text: str) -> Agent | None:
    name, bracket, rest = text.partition("<")
    if bracket:
        address = rest.partition(">")[0].strip()
    else:
        words = [word.strip("(),;") for word in text.split()]
        address = next((word for word in words if "@" in word.strip("@") or url(word)), "")
    name = name.strip(' "') or address
    if not name:
        return None
    # Only persons and mailing lists have email addresses. An address alone is rather that of a list.
    person = "@" in address.strip("@") and name != address and not _LISTS.search(address)
    return Agent("Person" if person and not _ORGANISATION.search(name) else "Organization", name, address)


# ---- licences


class Licences:
    """The licences of a bill. texts: by id, each text that an expression names or that a component has.

    Two components may have different texts under one id: the later ones get another id.
    """

    def __init__(self, bill: Bill) -> None:
        self.texts: dict[str, LicenceText] = {}
        self._renamed: dict[str, dict[str, str]] = {}
        expressions = {file.licence.expression for file in bill.files}
        for component in components(bill):
            expressions |= {component.declared.expression, component.effective.expression}
            for text in component.texts:
                if self.texts.setdefault(text.id, text).text != text.text:
                    unique = f"{text.id}-{hashlib.sha256(text.text.encode()).hexdigest()[:12]}"
                    self.texts[unique] = text._replace(id=unique)
                    self._renamed.setdefault(component.ref, {})[text.id] = unique
        for reference in sorted({found for text in expressions for found in _REFERENCE.findall(text)}):
            self.texts.setdefault(reference, LicenceText(reference, reference, _UNKNOWN_TEXT))

    def expression(self, component: str, expression: str) -> str:
        """Return an expression of a component or of one of its files, with the ids of `texts`."""
        renamed = self._renamed.get(component)
        if renamed is None:
            return expression
        return _REFERENCE.sub(lambda match: renamed.get(match[0], match[0]), expression)


def references(expression: str) -> list[str]:
    """Return the sorted ids of licences that are not on SPDX's list."""
    return sorted(set(_REFERENCE.findall(expression))) if "LicenseRef-" in expression else []


# ---- components and files


def components(bill: Bill) -> Iterator[Component]:
    """Yield the subject and the components."""
    yield bill.subject
    yield from bill.components


def files_of_components(bill: Bill) -> dict[str, array[int]]:
    """Return the indices in `bill.files` of each component's files. Files of no component are the subject's."""
    indices: dict[str, array[int]] = {}
    for number, file in enumerate(bill.files):
        indices.setdefault(file.component or bill.subject.ref, array("L")).append(number)
    return indices


def file_comment(file: BillFile) -> str:
    """Describe what SPDX has no field for: the mode, the owner, the layer, and the target of a symlink."""
    text = f"mode: {file.mode:04o}; owner: {file.uid}:{file.gid}"
    if file.layer:
        text += f"; layer: {file.layer}"
    if file.structured and file.kind not in (SYMLINK, DIRECTORY):
        text += "; structured"
    return f"{text}; link: {clean(file.target)}" if file.kind == SYMLINK else text


def licence_comment(component: Component) -> str:
    """Tell the names of the licences in the copyright file, if they differ from the expressions."""
    declared, effective = component.declared, component.effective
    notes = [f"Declared as: {declared.original}"] if declared.original not in ("", declared.expression) else []
    if effective.original not in ("", effective.expression, declared.original):
        notes.append(f"Effective as: {effective.original}")
    return clean("; ".join(notes))


def unread_comment(component: Component) -> str:
    """Tell of which base a package is, and which bills of materials of a package cannot be read."""
    base = [f"From the base {component.base}"] if component.base else []
    return clean(", ".join([*base, *(f"Unread SBOM: {path}" for path in component.unread_bills)]))


def source_infos(bill: Bill) -> dict[str, str]:
    """Tell for each Debian package of which source package it is, in the words that scanners read."""
    by_ref = {component.ref: component for component in bill.components}
    found = {}
    for start, kind, end in bill.relations:
        if kind == GENERATED_FROM and start in by_ref and by_ref[start].kind == "deb" and end in by_ref:
            found[start] = clean(f"built package from: {by_ref[end].name} {by_ref[end].version}")
    return found
