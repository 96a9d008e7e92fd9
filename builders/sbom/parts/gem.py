"""Read the specification of a gem: the YAML in `metadata.gz`.

Of YAML, only what RubyGems writes for texts and lists of texts is read: plain or quoted, in one line. All else is
skipped.
"""

from __future__ import annotations

import re

from . import people
from .archive import unpacked
from .licence import licence
from .part import PartFacts, line
from .people import Person
from .survey import PackageSurvey

METADATA = "metadata.gz"
_PACKED = re.compile(r"(?:metadata|checksums\.yaml|data\.tar)\.gz(?:\.sig)?\Z")
_FIELD = re.compile(r"([a-z_]+):(?:[ ](.*))?\Z")
_ITEM = re.compile(r"- (.*)\Z")
_KEY = re.compile(r"  ([\w-]+): (.*)\Z")


def is_packed(member: str) -> bool:
    """Return whether a file is a part of the gem's frame: compressed data, or a signature of it."""
    return _PACKED.match(member) is not None


def read(survey: PackageSurvey) -> PartFacts:
    """Return what a gem states. Raise ValueError or zlib.error if its specification is damaged."""
    packed = survey.found.get(METADATA, b"")
    specification = unpacked(packed) if packed else b""
    survey.add("specification", specification)
    fields = _fields(specification.decode("utf-8", "replace"))

    def one(key: str) -> str:
        return next(iter(fields.get(key, [])), "")

    name, homepage = one("name"), people.web(one("homepage"))
    source = people.repository(one("metadata.source_code_uri")) or people.repository(homepage)
    emails = [text for text in fields.get("email", []) if "@" in text and " " not in text]
    authors = fields.get("authors", [])
    paired = (
        emails if len(emails) == len(authors) else emails * len(authors) if len(emails) == 1 else [""] * len(authors)
    )
    named: list[Person | None] = [Person(*pair) for pair in zip(authors, paired, strict=True)]
    named = named or [people.owner(source)]
    licences = fields.get("licenses", [])
    # If there are several names, the specification does not say whether all apply or one can be chosen.
    names = licences if len(licences) < 2 else [", ".join(licences)]
    stated, texts = licence("gem", name, names, survey.licences)
    return PartFacts(
        kind="gem",
        name=name,
        version=one("version.version"),
        supplier=people.lines(named[:1], (homepage, source)),
        originator=people.lines(named, (homepage, source)),
        homepage=homepage,
        description=one("summary"),
        licence=stated,
        copyright=survey.copyright(),
        texts=texts,
    )


def _fields(text: str) -> dict[str, list[str]]:
    """Return the texts and lists of texts at the top, and those of a mapping below a field as `FIELD.KEY`."""
    found: dict[str, list[str]] = {}
    field = ""
    for row in text.split("\n"):
        if match := _FIELD.match(row):
            field = match[1]
            if value := _scalar(match[2] or ""):
                found[field] = [value]
        elif (match := _ITEM.match(row)) and (value := _scalar(match[1])):
            found.setdefault(field, []).append(value)
        elif (match := _KEY.match(row)) and (value := _scalar(match[2])):
            found[f"{field}.{match[1]}"] = [value]
    return found


def _scalar(text: str) -> str:
    """Return the value of a text in one line, or "" for anything else."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return line(text[1:-1].replace("''", "'"))
    if len(text) > 1 and text[0] == text[-1] == '"':
        return line(text[1:-1].encode("latin-1", "backslashreplace").decode("unicode_escape", "replace"))
    return "" if text[:1] in ("", "!", "&", "*", "[", "{", "|", ">", "'", '"', "-") or text == "null" else line(text)
