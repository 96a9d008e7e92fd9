"""Read the package.json of a package of npm."""

from __future__ import annotations

from typing import Any

from fpack.builders.streams import strict_json

from . import people
from .licence import licence
from .part import PartFacts, line
from .people import Person
from .survey import PackageSurvey

METADATA = "package.json"


def read(survey: PackageSurvey) -> PartFacts:
    """Return what a package states. Raise ValueError if its package.json is malformed."""
    value = strict_json.parse(survey.found.get(METADATA, b"{}"))
    if not isinstance(value, dict):
        raise ValueError("package.json is not an object")
    name, homepage = line(value.get("name")), people.web(value.get("homepage") or "")
    where = value.get("repository")
    where = where.get("url") if isinstance(where, dict) else where
    repository = people.repository(where, short=True) if isinstance(where, str) else ""
    authors = [_person(value.get("author"))]
    maintainers = [_person(item) for item in _list(value, "maintainers")]
    known = [each for each in [*authors, *maintainers, *map(_person, _list(value, "contributors"))] if each is not None]
    first: list[Person | None] = [known[0] if known else people.owner(repository)]
    pages = (homepage, repository)
    stated, texts = licence("npm", name, _licences(value), survey.licences)
    return PartFacts(
        kind="npm",
        name=name,
        version=line(value.get("version")),
        supplier=people.lines([*maintainers, *first][:1], pages),
        originator=people.lines(first, pages),
        homepage=homepage or repository,
        description=line(value.get("description")),
        licence=stated,
        copyright=survey.copyright(),
        texts=texts,
    )


def _list(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _person(value: Any) -> Person | None:
    if isinstance(value, str):
        return people.person(value)
    if not isinstance(value, dict) or not line(value.get("name")):
        return None
    plain = people.person(line(value["name"]))
    email = line(value.get("email"))
    address = email if "@" in email else ""
    page = people.web(value.get("url") or value.get("web") or "")
    return Person(plain.name, address or plain.email, page or plain.page) if plain is not None else None


def _licences(value: dict[str, Any]) -> list[str]:
    """Return the names of licences: `license`, or of old packages `licenses` if there is one."""
    found = value.get("license") or value.get("licence")
    several = value.get("licenses")
    if not found and isinstance(several, list) and len(several) == 1:
        found = several[0]
    if isinstance(found, dict):
        found = found.get("type") or found.get("name")
    text = line(found)
    # "UNLICENSED" means that nobody may use it; it is no name of SPDX's.
    return [text] if text else []
