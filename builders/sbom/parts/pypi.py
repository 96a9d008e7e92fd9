"""Read the core metadata of a Python package: METADATA of a wheel, or PKG-INFO of a source distribution."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from email.utils import getaddresses

from . import people
from .licence import licence
from .part import PartFacts, line
from .people import Person
from .survey import PackageSurvey

METADATA = "METADATA"
# Classifiers that mean one licence. The others, such as "BSD License", are names of families.
_CLASSIFIERS = {
    "Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.0 (MPL)": "MPL-1.0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Mulan Permissive Software License v2 (MulanPSL-2.0)": "MulanPSL-2.0",
    "PostgreSQL License": "PostgreSQL",
    "SIL Open Font License 1.1 (OFL-1.1)": "OFL-1.1",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Zero-Clause BSD (0BSD)": "0BSD",
}
_SOURCES = ("source", "source code", "repository", "code", "github")
_HOMES = ("homepage", "home", "home-page", "website")


def read(survey: PackageSurvey) -> PartFacts:
    """Return what a package states."""
    message = HeaderParser().parsestr(survey.found.get(METADATA, b"").decode("utf-8", "replace"))
    name = _text(message, "Name")
    urls = [each.partition(",") for each in _all(message, "Project-URL")]
    pages = {key.strip().lower(): people.web(page.strip()) for key, _, page in urls}
    homepage = people.web(_text(message, "Home-page")) or next((pages[key] for key in _HOMES if pages.get(key)), "")
    source = next((pages[key] for key in _SOURCES if pages.get(key)), "")
    authors, maintainers = _people(message, "Author"), _people(message, "Maintainer")
    authors = authors or maintainers or [each for each in [people.owner(source or homepage)] if each is not None]
    stated, texts = licence("pypi", name, list(_licences(message)), survey.licences)
    return PartFacts(
        kind="pypi",
        name=name,
        version=_text(message, "Version"),
        supplier=people.lines((maintainers or authors)[:1], (homepage, source)),
        originator=people.lines(authors, (homepage, source)),
        homepage=homepage or source,
        description=_text(message, "Summary"),
        licence=stated,
        copyright=survey.copyright(),
        texts=texts,
    )


def _all(message: Message, key: str) -> list[str]:
    return [found for value in message.get_all(key, []) if (found := line(str(value)))]


def _text(message: Message, key: str) -> str:
    found = next(iter(_all(message, key)), "")
    return "" if found == "UNKNOWN" else found


def _people(message: Message, role: str) -> list[Person]:
    """Return the people of a role. A name and one address of nobody else belong together."""
    name, found = _text(message, role), _addresses(_text(message, f"{role}-email"))
    if name and len(found) < 2 and not any(each.name for each in found):
        return [Person(name, found[0].email if found else "")]
    return [Person(each.name or each.email, each.email) for each in found]


def _addresses(text: str) -> list[Person]:
    found = []
    for name, email in getaddresses([text]):
        if "@" in email and " " not in email:
            found.append(Person(line(name), line(email)))
    return found


def _licences(message: Message) -> Iterator[str]:
    """Yield the names of the licence. A field `License` may be a whole text, which is no name."""
    yield _text(message, "License-Expression")
    yield from [found for found in [_text(message, "License")] if len(found) <= 200]
    classifiers = [each.rpartition(" :: ")[2] for each in _all(message, "Classifier") if each.startswith("License :: ")]
    classifiers = [each for each in classifiers if each != "OSI Approved"]
    if len(classifiers) == 1:
        yield _CLASSIFIERS.get(classifiers[0]) or classifiers[0]
