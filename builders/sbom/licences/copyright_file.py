"""Read a copyright file: Debian's machine-readable format 1.0, or prose.

The result is what the file certainly says. Everything else is a LicenseRef with the text: a licence without a known
name, a name that contradicts its text, prose that is no well-known notice. docs/sbom.md has the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.sbom.model import CopyrightFacts, FileLicence, Licence, LicenceText

from .expression import AND, Term, join, leaf, parse, read, replace, write
from .names import identify, identify_exception
from .notices import Notices, read_notices
from .wording import normalise

MAX_SIZE = 8 << 20  # characters
_FORMAT = re.compile(r"copyright-?format|dep-?5", re.IGNORECASE)
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,40}):[ \t]*(.*)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_COPYRIGHT = re.compile(r"[ \t*#/;-]*(?:portions[ \t]|files?[ \t])?(?:copyright\b|\(c\)[ \t]|©)", re.IGNORECASE)
_DOWNLOADED = re.compile(r"downloaded[ \t]from:?[ \t\n]{1,20}<?(?:url:)?([a-z]{3,5}://[^\s>]{1,500})", re.IGNORECASE)
_AUTHOR = re.compile(r"^upstream[ \t](?:author|maintainer)s?(?:\(s\))?:[ \t]*(.{0,500})", re.IGNORECASE | re.MULTILINE)
_SAFE = re.compile(r"[a-z0-9.-]")


class _Stanza(NamedTuple):
    """A stanza. fields: by lower-case name. text: as it is in the file. is_malformed: it has lines of no field."""

    fields: Mapping[str, str]
    text: str
    is_malformed: bool


def read_copyright(text: str, package: str) -> CopyrightFacts:
    """Read the copyright file of a package. Lone surrogates and control characters become U+FFFD."""
    references = _References(package)
    if len(text) > MAX_SIZE:
        cut = _clean(text[:MAX_SIZE]) + f"\n[The first {MAX_SIZE} of {len(text)} characters]\n"
        return _facts(references, references.term("", cut))
    text = _clean(text)
    stanzas = list(_stanzas(text)) if _FORMAT.search(text[:4000]) else []
    if stanzas and any(
        name.startswith("format") and _FORMAT.search(value) for name, value in stanzas[0].fields.items()
    ):
        return _CopyrightDocument(stanzas, references).facts()
    return _read_prose(text, references)


def _clean(text: str) -> str:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    return _CONTROL.sub("\ufffd", text)


def _facts(
    references: _References, declared: Term | None, original: str = "", copyright_lines: str = ""
) -> CopyrightFacts:
    expression = "" if declared is None else write(declared)
    licence = Licence(original, expression)
    return CopyrightFacts(False, licence, (), references.texts(), copyright_lines, "", "", "")


class _References:
    """The licences of a file that have no identifier of SPDX."""

    def __init__(self, package: str) -> None:
        safe = "".join(
            character
            if _SAFE.match(character)
            else "".join(f".{byte:02X}" for byte in character.encode("utf-8", "replace"))
            for character in package
        )
        self._prefix = f"LicenseRef-debian-{safe}"
        self._numbers: dict[tuple[str, str], int] = {}

    def term(self, name: str, text: str) -> Term:
        """Return the reference to a licence."""
        number = self._numbers.setdefault((name, text), len(self._numbers) + 1)
        return leaf(f"{self._prefix}-{number}")

    def texts(self) -> tuple[LicenceText, ...]:
        """Return all licences that were referred to."""
        return tuple(
            LicenceText(f"{self._prefix}-{number}", name, text) for (name, text), number in self._numbers.items()
        )


def _read_prose(text: str, references: _References) -> CopyrightFacts:
    """Read a file that is not machine-readable."""
    if not text.strip():
        return _facts(references, None)
    notices = read_notices(text)
    terms = list(map(read, notices.granted))
    if notices.rest or not terms:
        terms.append(references.term("", text))
    holders = dict.fromkeys(line.strip(" \t*#/;") for line in text.split("\n") if _COPYRIGHT.match(line))
    facts = _facts(references, join(AND, terms), copyright_lines="\n".join(holders))
    source, author = _DOWNLOADED.search(text), _AUTHOR.search(text)
    return facts._replace(source=source[1] if source else "", upstream_contact=author[1].strip() if author else "")


def _stanzas(text: str) -> Iterator[_Stanza]:
    """Split a file into stanzas. Lines that are all indented continue the stanza before an empty line."""
    stanza: list[str] = []
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.strip(" \t"):
            lines.append(line)
        elif lines:
            if stanza and not all(line[0] in " \t" for line in lines):
                yield _stanza(stanza)
                stanza = []
            stanza += [" .", *lines] if stanza else lines
            lines = []
    if stanza:
        yield _stanza(stanza)


def _stanza(lines: Sequence[str]) -> _Stanza:
    """Read the fields of a stanza. A field that comes twice has both values, but a second licence is stray."""
    fields: dict[str, list[str]] = {}
    stray: list[str] = []
    name = ""
    for line in lines:
        if line[0] in " \t" and name:
            fields[name].append("" if line.strip() == "." else line[1:].rstrip())
        elif line.startswith("#"):
            continue
        elif match := _FIELD.fullmatch(line.rstrip()):
            name = match[1].lower()
            if name == "license" and name in fields:
                stray.append(line)
            fields.setdefault(name, []).append(match[2])
        else:
            stray.append(line)
    values = {name: "\n".join(lines) for name, lines in fields.items()}
    return _Stanza(values, "\n".join(lines), is_malformed=bool(stray))


class _CopyrightDocument:
    """A machine-readable file."""

    def __init__(self, stanzas: list[_Stanza], references: _References) -> None:
        self._header, *self._stanzas = stanzas
        self._references = references
        self._texts: dict[str, str] = {}
        self._known: dict[str, tuple[str, Notices]] = {}
        self._terms: dict[tuple[str, str], Term] = {}
        for stanza in stanzas:
            synopsis, text = _licence(stanza)
            if text:
                parsed = parse(synopsis) if synopsis else None
                self._texts.setdefault(_key(synopsis if parsed is None else _full_name(parsed) or synopsis), text)

    def facts(self) -> CopyrightFacts:
        """Read all stanzas."""
        fields = self._header.fields
        of_files = [stanza for stanza in self._stanzas if stanza.fields.keys() & {"files", "copyright"}]
        found = [self._read(stanza) for stanza in of_files]
        licences = [(licence.original, term) for licence, term in found]
        if _licence(self._header)[0]:
            licences = [(_licence(self._header)[0], self._term(self._header))]
        elif not licences:
            named = [stanza for stanza in self._stanzas if "license" in stanza.fields]
            licences = [(_licence(stanza)[0], self._term(stanza)) for stanza in named]
        terms = [term for _original, term in licences]
        for stanza in (self._header, *self._stanzas):
            if stanza.is_malformed and not stanza.fields.keys() & {"files", "copyright", "license"}:
                terms.append(self._references.term("", stanza.text))
        if not terms:
            terms.append(self._references.term("", "\n\n".join([self._header.text, *[s.text for s in self._stanzas]])))
        holders: dict[str, None] = {}
        for stanza in (self._header, *of_files):
            holders.update(dict.fromkeys(_lines(stanza.fields.get("copyright", ""))))
        return CopyrightFacts(
            machine_readable=True,
            declared=Licence(
                ", and ".join(dict.fromkeys(original for original, _term in licences if original)),
                write(join(AND, terms)),
            ),
            stanzas=tuple(licence for licence, _term in found),
            texts=self._references.texts(),
            copyright="\n".join(holders),
            upstream_name=_one_line(fields.get("upstream-name", fields.get("name", ""))),
            upstream_contact=_one_line(fields.get("upstream-contact", fields.get("maintainer", ""))),
            source=_one_line(fields.get("source", fields.get("original-source-location", ""))),
        )

    def _read(self, stanza: _Stanza) -> tuple[FileLicence, Term]:
        term = self._term(stanza)
        globs = tuple(word.strip(",") for word in stanza.fields.get("files", "*").split() if word.strip(","))
        holders = "\n".join(_lines(stanza.fields.get("copyright", "")))
        return FileLicence(globs, _licence(stanza)[0], write(term), holders), term

    def _term(self, stanza: _Stanza) -> Term:
        """Return the licence of a stanza."""
        synopsis, text = _licence(stanza)
        if stanza.is_malformed or not (synopsis or text):
            return self._references.term(synopsis, stanza.text)
        key = (synopsis, text)
        if key not in self._terms:
            parsed = parse(synopsis) if synopsis else Term()
            whole = text or self._texts.get(_key(synopsis), "")
            if parsed is None:
                self._terms[key] = self._references.term(synopsis, whole or stanza.text)
            elif parsed.operator:
                self._terms[key] = replace(parsed, lambda atom: self._part(atom, synopsis, whole, stanza.text))
            else:
                whole = whole or self._texts.get(_key(parsed.name), "")
                self._terms[key] = self._resolve(parsed, synopsis, whole, whole or stanza.text)
        return self._terms[key]

    def _part(self, atom: Term, synopsis: str, whole: str, stanza: str) -> Term:
        """Return the SPDX term of a part of an expression. whole: the text of the expression. stanza: what it is in."""
        full = _full_name(atom)
        if text := self._texts.get(_key(full)) or self._texts.get(_key(atom.name)):
            return self._resolve(atom, full, text, text)
        return self._resolve(atom, synopsis, whole, whole or stanza)

    def _resolve(self, atom: Term, name: str, text: str, reference: str) -> Term:
        """Return the SPDX term of one licence. name, reference: of the LicenseRef, if there is one."""
        words, notices = self._words(text)
        expression = identify(atom.name, words, notices)
        if expression and not atom.exception:
            return read(expression)
        exception = identify_exception(atom.exception, words)
        if exception and expression and " " not in expression:
            return leaf(f"{expression} WITH {exception}")
        term = self._references.term(name, reference)
        return join(AND, [read(expression), term]) if expression else term

    def _words(self, text: str) -> tuple[str, Notices]:
        if text not in self._known:
            self._known[text] = normalise(text), read_notices(text)
        return self._known[text]


def _licence(stanza: _Stanza) -> tuple[str, str]:
    """Return the first line and the text of the field `License`."""
    synopsis, _feed, text = stanza.fields.get("license", "").partition("\n")
    return " ".join(synopsis.split()), text.strip("\n")


def _full_name(atom: Term) -> str:
    return f"{atom.name} with {atom.exception}" if atom.exception else atom.name


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.split("\n") if line.strip()]


def _key(name: str) -> str:
    return " ".join(name.lower().split())


def _one_line(value: str) -> str:
    return " ".join(value.split())
