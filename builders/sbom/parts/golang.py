"""Tell what a Go module states: nothing but its path and its files. The path names the owner, or the host."""

from __future__ import annotations

from . import people
from .licence import licence
from .part import PartFacts
from .people import Person
from .survey import PackageSurvey

METADATA = "go.mod"


def read(survey: PackageSurvey, module: str, version: str = "") -> PartFacts:
    """Return what a module states. module: its path."""
    host = module.partition("/")[0]
    named = people.owner(f"https://{module}") or (Person(host, page=f"https://{host}") if "." in host else None)
    stated, texts = licence("golang", module, [], survey.licences)
    return PartFacts(
        kind="golang",
        name=module,
        version=version,
        supplier=people.lines([named], ()),
        originator=people.lines([named], ()),
        licence=stated,
        copyright=survey.copyright(),
        texts=texts,
    )
