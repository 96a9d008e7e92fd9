"""Read the Cargo.toml of a crate."""

from __future__ import annotations

from typing import Any

from fpack import strict_toml

from . import people
from .licence import licence
from .part import PartFacts, line
from .survey import PackageSurvey

METADATA = "Cargo.toml"


def read(survey: PackageSurvey) -> PartFacts:
    """Return what a crate states. Raise ValueError if its Cargo.toml is malformed."""
    document = strict_toml.parse(survey.found.get(METADATA, b"").decode("utf-8", "replace"))
    found = document.get("package")
    value: dict[str, Any] = found if isinstance(found, dict) else {}
    name, homepage = line(value.get("name")), people.web(line(value.get("homepage")))
    repository = people.repository(line(value.get("repository")))
    authors = value.get("authors")
    named = [people.person(text) for text in authors if isinstance(text, str)] if isinstance(authors, list) else []
    named = [each for each in named if each is not None] or [people.owner(repository)]
    # Cargo wrote OR as a slash before it knew SPDX's expressions.
    names = [line(value.get("license")).replace("/", " OR ")]
    stated, texts = licence("cargo", name, names, survey.licences)
    pages = (homepage, repository)
    return PartFacts(
        kind="cargo",
        name=name,
        version=line(value.get("version")),
        supplier=people.lines(named[:1], pages),
        originator=people.lines(named, pages),
        homepage=homepage or repository,
        description=line(value.get("description")),
        licence=stated,
        copyright=survey.copyright(),
        texts=texts,
    )
