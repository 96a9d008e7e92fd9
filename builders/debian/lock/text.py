"""Parse and format a lock: sorted text with one fact per line."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from fpack.builders.debian.suites import DEBIAN, SECURITY, IndexPin, SuiteFile, show_date
from fpack.light_typing import Any, NoReturn

from .records import EarlierIndex, Lock, LockCorrupt, LockNewer, PackagePin, SuitePin

# Format 2 adds SHA-512 digests, Ubuntu's archive, components of suites, and earlier indexes; format 3 adds what package
# indexes of languages answered. A lock without them is written in an older format.
FORMAT, DISTRIBUTIONS, PLAIN = 3, 2, 1
HEADER = "fpack-lock"
MAX_DEPTH = 32  # of the lists and records of an answer
COMMENT = "# Made by fpack; `fpack update` changes it."

_NAME = r"[A-Za-z0-9][A-Za-z0-9+.\-]*"
_VERSION = r"(?:[0-9]{1,9}:[0-9A-Za-z.+:~\-]{1,256}|[0-9A-Za-z.+~\-]{1,256})"
_DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_DIGEST = r"[0-9a-f]{64}"
_DIGEST512 = r"[0-9a-f]{128}"
# The digests of a file: one at least.
_DIGESTS = rf"(?= sha(?:256|512)=)(?: sha256=({_DIGEST}))?(?: sha512=({_DIGEST512}))?"
_PACKED = rf"(?= packed(?:-sha512)?=)(?: packed=({_DIGEST}))?(?: packed-sha512=({_DIGEST512}))?"
_SIZE = r"\d{1,15}"
_PATH = r"(?!/)(?!(?:\S*/)?\.{1,2}(?:/|$))[^\s/](?:[^\s]*[^\s/])?"
_ARCHIVE = r"debian|debian-security|ubuntu"
_SUITE = rf"suite ({_NAME}) ({_NAME}) ({_ARCHIVE}) date=({_DATE}) until=({_DATE}|never) sha256=({_DIGEST})\Z"
_INDEX = (
    rf"index ({_NAME}) ({_NAME}(?:/{_NAME})?) ({_NAME}){_DIGESTS} size=({_SIZE})"
    rf"{_PACKED} packed-size=({_SIZE}) file=({_PATH})\Z"
)
_EARLIER = (
    rf"earlier ({_NAME}) ({_NAME}(?:/{_NAME})?) ({_NAME}) ({_ARCHIVE}) date=({_DATE}) until=({_DATE}|never)"
    rf" release=({_DIGEST}){_DIGESTS} size=({_SIZE}){_PACKED} packed-size=({_SIZE}) file=({_PATH})\Z"
)
_PACKAGE = (
    rf"package ({_NAME}) ({_NAME}) ({_NAME}) ({_VERSION}) arch=({_NAME}) source=({_NAME})(?:=({_VERSION}))?"
    rf" archive=({_ARCHIVE}) date=({_DATE}) size=({_SIZE}){_DIGESTS} file=({_PATH})\Z"
)
_CLOSURE = rf"closure ({_NAME}) ({_NAME}) ({_NAME}(?: {_NAME})*+)\Z"
_MEMBER = rf"  ({_NAME}):((?: {_NAME})*+)\Z"
_ANSWER = r"resolved ([a-z][a-z0-9-]{0,30}) (\{.*\})\Z"
_HEADER = rf"{HEADER} (\d{{1,6}})\Z"


def _format(lock: Lock) -> int:
    """Return the oldest format that can express `lock`, so that older versions of fpack read what they understand."""
    if lock.answers:
        return FORMAT
    archives = {pin.archive for pin in lock.suites.values()} | {pin.archive for pin in lock.packages.values()}
    new = (
        bool(lock.earlier)
        or not archives <= {DEBIAN, SECURITY}
        or any(pin.sha512 for pin in lock.packages.values())
        or any(pin.sha512 or pin.packed.sha512 or "/" in key[1] for key, pin in lock.indexes.items())
    )
    return DISTRIBUTIONS if new else PLAIN


def _digests(sha256: str, sha512: str, names: tuple[str, str] = ("sha256", "sha512")) -> str:
    return "".join(f" {name}={text}" for name, text in zip(names, (sha256, sha512), strict=True) if text)


def _index(pin: IndexPin) -> str:
    """Return the digests, sizes and file of a package index."""
    packed = _digests(pin.packed.sha256, pin.packed.sha512, ("packed", "packed-sha512"))
    digests = _digests(pin.sha256, pin.sha512)
    return f"{digests} size={pin.size}{packed} packed-size={pin.packed.size} file={pin.packed.path}"


def format_lock(lock: Lock) -> str:
    """Return the canonical text of `lock`."""
    lines = [f"{HEADER} {_format(lock)}", COMMENT]
    releases = sorted({key[0] for part in lock.parts() if part is not lock.answers for key in part})  # type: ignore[index]
    for release in releases:
        lines.append("")
        for (r, _), pin in sorted(lock.suites.items()):
            if r == release:
                until = "never" if pin.until is None else show_date(pin.until)
                lines.append(
                    f"suite {release} {pin.suite} {pin.archive} date={show_date(pin.date)}"
                    f" until={until} sha256={pin.sha256}"
                )
        for (r, suite, arch), index in sorted(lock.indexes.items()):
            if r == release:
                lines.append(f"index {release} {suite} {arch}{_index(index)}")
        for (r, suite, arch, _), (pin, index) in sorted(lock.earlier.items()):
            if r == release:
                until = "never" if pin.until is None else show_date(pin.until)
                lines.append(
                    f"earlier {release} {suite} {arch} {pin.archive} date={show_date(pin.date)} until={until}"
                    f" release={pin.sha256}{_index(index)}"
                )
        for (r, arch, _), p in sorted(lock.packages.items()):
            if r == release:
                source = p.source if p.source_version == p.version else f"{p.source}={p.source_version}"
                lines.append(
                    f"package {release} {arch} {p.name} {p.version} arch={p.arch} source={source}"
                    f" archive={p.archive} date={show_date(p.date)} size={p.size}{_digests(p.sha256, p.sha512)}"
                    f" file={p.file}"
                )
        for (r, arch, names), depends in sorted(lock.closures.items(), key=lambda item: item[0]):
            if r == release:
                lines += ["", f"closure {release} {arch} {' '.join(names)}"]
                lines += [" ".join([f"  {name}:", *sorted(depends[name])]) for name in sorted(depends)]
    for (kind, request), items in sorted(lock.answers.items()):
        lines += ["", f"resolved {kind} {request}", *(f"  {item}" for item in items)]
    return "\n".join(lines) + "\n"


def parse_lock(text: str, where: str = "fpack.lock") -> Lock:
    """Parse a lock. Raise LockCorrupt with the line's number, or LockNewer."""
    lines = text.split("\n")
    header = re.match(_HEADER, lines[0])
    if header is None:
        _corrupt(where, 1, f"it does not begin with `{HEADER} {PLAIN}`")
    if int(header[1]) > FORMAT:
        raise LockNewer(
            "The lock was written by a newer version of fpack",
            where=where,
            why=f"its format is {header[1]}; this version supports {FORMAT}",
            hint="update fpack",
        )
    if int(header[1]) < 1:
        _corrupt(where, 1, "there is no such format")
    lock = Lock()
    members: dict[str, tuple[str, ...]] | None = None
    answers: dict[tuple[str, str], list[str]] = {}
    items: list[str] | None = None
    for number, line in enumerate(lines[1:], 2):
        if line.startswith("  {") and items is not None:
            _object(line[2:], where, number)
            items.append(line[2:])
        elif line.startswith("  "):
            match = re.match(_MEMBER, line)
            if match is None or members is None:
                _corrupt(where, number, f"not a member of a closure: {line.strip()[:80]!r}")
            if match[1] in members:
                _corrupt(where, number, f"duplicate {match[1]} in a closure")
            members[match[1]] = tuple(match[2].split())
        elif line.startswith("closure "):
            match = re.match(_CLOSURE, line)
            if match is None:
                _corrupt(where, number, f"not a closure: {line[:80]!r}")
            members, items = {}, None
            _add(lock.closures, (match[1], match[2], tuple(match[3].split())), members, where, number)
        elif line.startswith("resolved "):
            match = re.match(_ANSWER, line)
            if match is None:
                _corrupt(where, number, f"not an answer: {line[:80]!r}")
            _object(match[2], where, number)
            members, items = None, []
            _add(answers, (match[1], match[2]), items, where, number)
        elif line and not line.startswith("#"):
            members = items = None
            _fact(lock, line, where, number)
    lock.answers.update((key, tuple(found)) for key, found in answers.items())
    problem = lock.problem()
    if problem is not None:
        raise LockCorrupt("The lock contradicts itself", where=where, why=problem[:400], hint=HINT)
    return lock


def _object(text: str, where: str, number: int) -> None:
    """Raise LockCorrupt if a text is no JSON object in canonical form."""
    import json  # most locks have no answers

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        _corrupt(where, number, f"not a JSON object: {text[:80]!r}")
    if not isinstance(found, dict) or _is_deep(found) or canonical_json(found) != text:
        _corrupt(where, number, f"not a JSON object in canonical form: {text[:80]!r}")


def _is_deep(value: Any) -> bool:
    """Return whether a value has more than MAX_DEPTH levels, which may be too many for those who read it."""
    level = [value]
    for _ in range(MAX_DEPTH):
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        if not parts:
            return False
        level = [item for part in parts for item in part]
    return True


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value that locks have."""
    import json

    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _fact(lock: Lock, line: str, where: str, number: int) -> None:
    if match := re.match(_PACKAGE, line):
        release, arch, name, version, own, source, source_version, archive, date, size = match.groups()[:10]
        sha256, sha512, file = match.groups()[10:]
        package = PackagePin(
            name,
            version,
            own,
            source,
            source_version or version,
            archive,
            _date(date, where, number),
            int(size),
            sha256 or "",
            file,
            sha512 or "",
        )
        _add(lock.packages, (release, arch, name), package, where, number)
    elif match := re.match(_SUITE, line):
        release, suite, archive, date, until, digest = match.groups()
        end = None if until == "never" else _date(until, where, number)
        pin = SuitePin(release, suite, archive, _date(date, where, number), end, digest)
        _add(lock.suites, (release, suite), pin, where, number)
    elif match := re.match(_INDEX, line):
        release, suite, arch = match.groups()[:3]
        _add(lock.indexes, (release, suite, arch), _index_pin(*match.groups()[3:]), where, number)
    elif match := re.match(_EARLIER, line):
        release, label, arch, archive, date, until, signed = match.groups()[:7]
        end = None if until == "never" else _date(until, where, number)
        pin = SuitePin(release, label.partition("/")[0], archive, _date(date, where, number), end, signed)
        index = _index_pin(*match.groups()[7:])
        key = (release, label, arch, index.sha256 or index.sha512)
        _add(lock.earlier, key, EarlierIndex(pin, index), where, number)
    elif line.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
        _corrupt(where, number, "unresolved merge conflict")
    else:
        _corrupt(where, number, f"not a line of a lock: {line[:80]!r}")


def _index_pin(
    sha256: str | None,
    sha512: str | None,
    size: str,
    packed: str | None,
    packed512: str | None,
    packed_size: str,
    file: str,
) -> IndexPin:
    packed_file = SuiteFile(file, int(packed_size), packed or "", packed512 or "")
    return IndexPin(sha256 or "", int(size), packed_file, sha512 or "")


def _add(part: dict[Any, Any], key: object, value: object, where: str, number: int) -> None:
    if key in part:
        _corrupt(where, number, "duplicate entry")
    part[key] = value


def _date(text: str, where: str, number: int) -> int:
    try:
        return _seconds(text)
    except ValueError:
        _corrupt(where, number, f"{text} is not a date")


@lru_cache(maxsize=1024)
def _seconds(text: str) -> int:
    seconds = int(datetime.fromisoformat(text).timestamp())
    if seconds < 0:
        raise ValueError("a date before 1970")
    return seconds


HINT = "restore the lock from version control, or delete it to resolve everything again"


def _corrupt(where: str, number: int, why: str) -> NoReturn:
    raise LockCorrupt("The lock is malformed", where=f"{where}:{number}", why=why, hint=HINT)
