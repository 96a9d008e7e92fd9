"""Where Debian's files can be had: mirrors in order, from the option down to the snapshot archive.

The order is: the option or FPACK_MIRROR, the user's configuration, the machine's own apt sources, and a snapshot
archive at the date at which a file was locked: the one of the machine's apt configuration, else Debian's. None of them
is trusted: signatures and digests decide.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from fpack.store.errors import FpackError
from fpack.store.settings import MIRRORS, SECURITY_MIRRORS, configuration, configuration_file

from .control import ControlError, stanzas
from .suites import ARCHIVES, DEBIAN, SECURITY

# Debian's own, which is the same for everyone, where apt's configuration names none.
SNAPSHOT = "https://snapshot.debian.org/archive"
_AT = "@SNAPSHOTID@"  # in apt's configuration, and here: the time
ONLY = "only"
# A release is dated when it is made, and reaches the snapshot archive some hours after.
SNAPSHOT_DELAY = 6 * 3600

_ARCHIVE_PATH = re.compile(r"(?:^|/)(debian|debian-security)(?:/\d{8}T\d{6}Z)?/*\Z")
_CODENAMES = "buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable"
_SUITE = re.compile(rf"(?:{_CODENAMES})(?:[-/](?:updates|security|proposed-updates|backports))*\Z")
# As `apt-config dump` and most files write it; a nested form is passed over. Source: apt.conf(5).
_SNAPSHOTS = re.compile(
    r"""^\s*Acquire::Snapshots::URI(?P<override>::Override)?::"""
    r"""(?:Origin::(?P<debian>Debian)|Label::(?P<security>Debian-Security))\s+"(?P<url>[^"\s]+)"\s*;""",
    re.IGNORECASE | re.MULTILINE,
)
_OPTIONS = re.compile(r"\[[^\]]*\]")
_SCHEMES = ("http", "https", "file", "copy")


class MirrorError(FpackError):
    """A mirror's URL, or what names the mirrors, is wrong."""

    exit_code = 4


class Base(NamedTuple):
    """The root of a mirror (without a slash at its end) and the archive that it holds."""

    archive: str
    url: str


DEFAULT_SNAPSHOTS = {archive: f"{SNAPSHOT}/{archive}/{_AT}" for archive in ARCHIVES}


def never(archive: str, path: str) -> int | None:
    """The date of a file of which nothing is known."""
    return None


class Mirrors:
    """The bases to try, in order. snapshots: of an archive, where its state at the time @SNAPSHOTID@ is.

    `dated` tells at which time (Unix seconds) a file was in an archive, if that is known; a lock's source sets it.
    """

    def __init__(
        self,
        bases: Iterable[Base],
        *,
        snapshots: Mapping[str, str] = DEFAULT_SNAPSHOTS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.bases = list(dict.fromkeys(bases))
        self.dated: Callable[[str, str], int | None] = never
        self._snapshots = snapshots
        self._now = now

    def urls(self, archive: str, path: str, date: int | None = None) -> list[str]:
        """Where the file `path` of an archive may be, best first. `date`: when it was there (Unix seconds)."""
        if archive not in ARCHIVES:
            raise MirrorError(f"{archive!r} is not an archive of Debian", why=f"there are {' and '.join(ARCHIVES)}")
        tail = quote(check_path(path), safe="/+~:=,@")
        urls = [f"{base.url}/{tail}" for base in self.bases if base.archive == archive]
        snapshot = self._snapshots.get(archive)
        if snapshot is not None:
            at = self._now() if date is None else min(date + SNAPSHOT_DELAY, self._now())
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
            urls.append(f"{snapshot.replace(_AT, stamp)}/{tail}")
        return list(dict.fromkeys(urls))

    def expand(self, url: str) -> list[str]:
        """The URLs that `mirror://debian/<path>` and `mirror://debian-security/<path>` stand for; others unchanged."""
        if not url.startswith("mirror://"):
            return [url]
        archive, slash, path = url[len("mirror://") :].partition("/")
        if not slash:
            raise MirrorError("A mirror URL names no file", where=url)
        return self.urls(archive, path, self.dated(archive, path))


def check_path(path: str) -> str:
    """`path` itself if it is a relative path inside an archive, else MirrorError."""
    parts = path.split("/")
    if not path or len(path) > 1000 or any(part in ("", ".", "..") for part in parts) or not path.isprintable():
        raise MirrorError("A path is not one inside an archive", where=path[:200])
    return path


def find_mirrors(
    option: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    apt: Path = Path("/etc/apt"),
    now: Callable[[], float] = time.time,
) -> Mirrors:
    """The mirrors of this user on this machine. `option` takes the place of FPACK_MIRROR.

    The word `only` in either leaves out all that would come after it, the snapshot archive included.
    """
    words = (environ.get("FPACK_MIRROR", "") if option is None else option).split()
    only = ONLY in words
    bases = [base for word in words if word != ONLY for base in parse_base(word)]
    if not only:
        bases += configured(configuration_file(environ))
        bases += apt_bases(apt)
    return Mirrors(bases, snapshots={} if only else {**DEFAULT_SNAPSHOTS, **apt_snapshots(apt)}, now=now)


def parse_base(word: str) -> list[Base]:
    """`debian=URL`, `debian-security=URL`, or a URL that tells by its end which archive it is.

    A bare URL of neither kind, or of `debian`, also stands for the security archive beside it.
    """
    archive, equals, url = word.partition("=")
    if equals and archive in ARCHIVES:
        return [Base(archive, _check_url(url))]
    url = _check_url(word)
    match = _ARCHIVE_PATH.search(urlsplit(url).path)
    if match is None:
        return [Base(DEBIAN, f"{url}/debian"), Base(SECURITY, f"{url}/debian-security")]
    if match[1] == SECURITY:
        return [Base(SECURITY, url)]
    sibling = re.sub(r"debian(?=(?:/[^/]*)?\Z)", SECURITY, url)
    return [Base(DEBIAN, url), Base(SECURITY, sibling)]


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _check_url(url: str) -> str:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https", "file") or parts.query or parts.fragment:
        raise MirrorError(
            f"{url!r} is not the URL of a mirror",
            hint="give http, https or file URLs: FPACK_MIRROR='debian=URL debian-security=URL'",
        )
    return url.rstrip("/")


def configured(file: str) -> list[Base]:
    """Return the mirrors that the user's file of settings names."""
    found = configuration(file)
    keys = ((MIRRORS.key, DEBIAN), (SECURITY_MIRRORS.key, SECURITY))
    return [Base(archive, _check_url(url)) for key, archive in keys for url in found.get(key, "").split()]


def apt_snapshots(folder: Path) -> dict[str, str]:
    """The snapshot archives that the machine's apt configuration names; what cannot be read is passed over.

    One of Debian whose URL has a part `debian` also stands for that of security beside it.
    """
    found: dict[str, str] = {}
    overrides: dict[str, str] = {}
    try:
        parts = sorted((folder / "apt.conf.d").iterdir())
    except OSError:
        parts = []
    for file in [*parts, folder / "apt.conf"]:
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue
        for match in _SNAPSHOTS.finditer(text):
            url = match["url"].rstrip("/")
            split = _split(url)
            if split is not None and split.scheme in ("http", "https", "file") and _AT in split.path:
                (overrides if match["override"] else found)[DEBIAN if match["debian"] else SECURITY] = url
    found |= overrides
    if DEBIAN in found and SECURITY not in found:
        beside = re.sub(r"(?<=/)debian(?=/)", SECURITY, found[DEBIAN])
        if beside != found[DEBIAN]:
            found[SECURITY] = beside
    return found


def apt_bases(folder: Path) -> list[Base]:
    """The bases of Debian's own archives among the machine's apt sources; third parties' are left out.

    What cannot be read is passed over: apt's files are not fpack's to judge.
    """
    bases: list[Base] = []
    parts = folder / "sources.list.d"
    try:
        extra = sorted(parts.iterdir())
    except OSError:
        extra = []
    for file in [folder / "sources.list", *extra]:
        try:
            text = file.read_text("utf-8", "replace")
            if file.suffix == ".list":
                bases += parse_one_line(text)
            elif file.suffix == ".sources":
                bases += parse_deb822(text)
        except (OSError, ControlError):
            continue
    return list(dict.fromkeys(bases))


def parse_one_line(text: str) -> list[Base]:
    """Debian's bases in a sources.list: `deb [options] URI suite component...`."""
    bases = []
    for line in text.splitlines():
        words = _OPTIONS.sub(" ", line.partition("#")[0]).split()
        if len(words) >= 3 and words[0] == "deb":
            bases += _known([words[1]], [words[2]], words[3:])
    return bases


def parse_deb822(text: str) -> list[Base]:
    """Debian's bases in a *.sources file."""
    bases = []
    for fields in stanzas(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "without", "off", "disable", "0"):
            continue
        if "deb" in fields.get("types", "").split():
            words = [fields.get(key, "").split() for key in ("uris", "suites", "components")]
            bases += _known(*words)
    return bases


def _known(uris: Sequence[str], suites: Sequence[str], components: Sequence[str]) -> list[Base]:
    """The bases among `uris`, if suites and components are Debian's: others use its folder names, too."""
    if "main" not in components or not all(_SUITE.match(suite) for suite in suites):
        return []
    bases = []
    for uri in uris:
        parts = _split(uri)
        match = _ARCHIVE_PATH.search(parts.path) if parts is not None and parts.scheme in _SCHEMES else None
        if match is None:
            continue
        url = re.sub(r"^copy:", "file:", uri).rstrip("/")
        security = match[1] == SECURITY or any("security" in suite for suite in suites)
        bases.append(Base(SECURITY if security else DEBIAN, url))
    return bases
