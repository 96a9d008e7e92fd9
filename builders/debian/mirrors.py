"""Find mirrors of Debian and Ubuntu and build the URLs of files in their archives.

Mirrors are tried in this order: the option or FPACK_MIRROR, the user's configuration, the machine's apt sources, and a
snapshot archive at the date at which the file was locked (the one in the machine's apt configuration, else Debian's).
Mirrors are not trusted: files are checked by signatures and digests. Ubuntu's mirrors are those of a setting or of an
Ubuntu machine's apt configuration.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from fpack.light_typing import NamedTuple
from fpack.store.errors import FpackError
from fpack.store.settings import (
    KEPT_MIRRORS,
    MIRRORS,
    SECURITY_MIRRORS,
    UBUNTU_MIRRORS,
    configuration,
    configuration_file,
)

from .control import ControlError, stanzas
from .suites import ARCHIVES, DEBIAN, SECURITY, UBUNTU, UBUNTU_RELEASES

# Debian's snapshot archive, used if apt's configuration names none.
SNAPSHOT = "https://snapshot.debian.org/archive"
_AT = "@SNAPSHOTID@"  # placeholder of the time, as in apt's configuration
ONLY = "only"
KEPT = "kept="  # the beginning of a word that names a place which keeps files by digest
# A release appears in the snapshot archive some hours after its date.
SNAPSHOT_DELAY = 6 * 3600

# Ubuntu's mirrors have the packages of amd64 and i386, or, as `ubuntu-ports`, those of the other architectures. Both
# halves have the same signed indexes.
PORTS = "ubuntu-ports"
_ARCHIVE_PATH = r"(?:^|/)(debian|debian-security|ubuntu|ubuntu-ports)(?:/\d{8}T\d{6}Z)?/*\Z"
_PORTS_FILE = r"(?:_|/binary-|/Contents-)(?!amd64|i386|all)[a-z0-9]+(?:\.u?deb\Z|\.[a-z]+\Z|/)"
_CODENAMES = "buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable"
_SUITE = rf"(?:{_CODENAMES})(?:[-/](?:updates|security|proposed-updates|backports))*\Z"
_UBUNTU_SUITE = r"([a-z]+)(?:-(?:updates|security|proposed|backports))?\Z"
# The form of `apt-config dump` and most files; the nested form is not supported. Source: apt.conf(5).
_SNAPSHOTS = (
    r"""^\s*Acquire::Snapshots::URI(?P<override>::Override)?::"""
    r"""(?:Origin::(?:(?P<debian>Debian)|(?P<ubuntu>Ubuntu))|Label::(?P<security>Debian-Security))"""
    r"""\s+"(?P<url>[^"\s]+)"\s*;"""
)
_OPTIONS = r"\[[^\]]*\]"
_SCHEMES = ("http", "https", "file", "copy")


class MirrorError(FpackError):
    """An invalid mirror URL or configuration of mirrors."""

    exit_code = 4


class MirrorUrl(NamedTuple):
    """The base URL of a mirror, without a trailing slash, and the archive at this URL."""

    archive: str
    url: str


DEFAULT_SNAPSHOTS = {archive: f"{SNAPSHOT}/{archive}/{_AT}" for archive in (DEBIAN, SECURITY)}


def never(archive: str, path: str) -> int | None:
    """Return None: the date of a file is not known."""
    return None


class Mirrors:
    """The mirrors to try, in order. snapshots: by archive, the URL of its state at the time @SNAPSHOTID@.

    dated: a function (archive, path) that returns when the file was in the archive (Unix seconds) or None;
    DebianSource sets it.
    """

    def __init__(
        self,
        bases: Iterable[MirrorUrl],
        *,
        snapshots: Mapping[str, str] = DEFAULT_SNAPSHOTS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.bases = list(dict.fromkeys(bases))
        self.dated: Callable[[str, str], int | None] = never
        self._snapshots = snapshots
        self._now = now

    def urls(self, archive: str, path: str, date: int | None = None) -> list[str]:
        """Return the URLs of the file `path` of an archive, best first. date: when it was there (Unix seconds)."""
        if archive not in ARCHIVES:
            raise MirrorError(
                f"{archive!r} is not an archive of Debian or Ubuntu", why=f"the archives are {', '.join(ARCHIVES)}"
            )
        tail = quote(check_path(path), safe="/+~:=,@")
        bases = [base.url for base in self.bases if base.archive == archive]
        if archive == UBUNTU:
            ports = re.search(_PORTS_FILE, path) is not None
            bases.sort(key=lambda url: (PORTS in url.split("/")) != ports)
        urls = [f"{base}/{tail}" for base in bases]
        snapshot = self._snapshots.get(archive)
        if snapshot is not None:
            at = self._now() if date is None else min(date + SNAPSHOT_DELAY, self._now())
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
            urls.append(f"{snapshot.replace(_AT, stamp)}/{tail}")
        return list(dict.fromkeys(urls))

    def expand(self, url: str) -> list[str]:
        """Expand `mirror://ARCHIVE/PATH`, with an archive such as `debian`, to URLs; return other URLs unchanged."""
        if not url.startswith("mirror://"):
            return [url]
        archive, slash, path = url[len("mirror://") :].partition("/")
        if not slash:
            raise MirrorError("The mirror URL has no path", where=url, hint="write mirror://ARCHIVE/PATH")
        urls = self.urls(archive, path, self.dated(archive, path))
        if not urls:
            raise MirrorError(f"No mirror of {archive} is known", where=url, hint=mirror_hint(archive))
        return urls


def mirror_hint(archive: str) -> str:
    """Return what to do if no mirror of an archive is known."""
    if archive != UBUNTU:
        return "name one with FPACK_MIRROR"
    key = UBUNTU_MIRRORS.key
    return (
        f"name one with FPACK_MIRROR='ubuntu=URL', --mirror ubuntu=URL, or {key} in fpack/config.toml; an Ubuntu "
        "machine's apt sources are used without either"
    )


def check_path(path: str) -> str:
    """Return `path`. Raise MirrorError if it is not a relative path inside an archive."""
    parts = path.split("/")
    if not path or len(path) > 1000 or any(part in ("", ".", "..") for part in parts) or not path.isprintable():
        raise MirrorError("The path is not a relative path inside an archive", where=path[:200])
    return path


def find_mirrors(
    option: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    apt: Path = Path("/etc/apt"),
    now: Callable[[], float] = time.time,
) -> Mirrors:
    """Find the mirrors configured by the user and the machine. option: overrides FPACK_MIRROR.

    The word `only` in either disables all other mirrors, including the snapshot archive.
    """
    words = (environ.get("FPACK_MIRROR", "") if option is None else option).split()
    only = ONLY in words
    bases = [base for word in words if word != ONLY for base in parse_base(word)]
    if not only:
        bases += configured(configuration_file(environ))
        bases += apt_bases(apt)
    return Mirrors(bases, snapshots={} if only else {**DEFAULT_SNAPSHOTS, **apt_snapshots(apt)}, now=now)


def kept_addresses(option: str | None) -> list[str]:
    """Return the addresses of the places that keep files: of the option or FPACK_MIRROR, then of the settings."""
    words = (os.environ.get("FPACK_MIRROR", "") if option is None else option).split()
    named = [word.removeprefix(KEPT) for word in words if word.startswith(KEPT)]
    return list(dict.fromkeys([*named, *KEPT_MIRRORS.find()]))


def parse_base(word: str) -> list[MirrorUrl]:
    """Parse `ARCHIVE=URL`, or a URL whose last component names the archive.

    A bare URL that ends with `debian`, or with no archive, also implies the security archive beside it, and one that
    ends with no archive Ubuntu's. A place that keeps files by digest, `kept=ADDRESS`, is the mirror of no archive.
    """
    if word.startswith(KEPT):
        return []
    archive, equals, url = word.partition("=")
    if equals and archive in (*ARCHIVES, PORTS):
        return [MirrorUrl(UBUNTU if archive == PORTS else archive, _check_url(url))]
    url = _check_url(word)
    match = re.search(_ARCHIVE_PATH, urlsplit(url).path)
    if match is None:
        return [MirrorUrl(archive, f"{url}/{archive}") for archive in ARCHIVES]
    if match[1] != DEBIAN:
        return [MirrorUrl(SECURITY if match[1] == SECURITY else UBUNTU, url)]
    sibling = re.sub(r"debian(?=(?:/[^/]*)?\Z)", SECURITY, url)
    return [MirrorUrl(DEBIAN, url), MirrorUrl(SECURITY, sibling)]


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _check_url(url: str) -> str:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https", "file") or parts.query or parts.fragment:
        raise MirrorError(
            f"{url[:200]!r} is not a valid mirror URL",
            hint="use http, https or file URLs: FPACK_MIRROR='debian=URL debian-security=URL ubuntu=URL'",
        )
    return url.rstrip("/")


def configured(file: str) -> list[MirrorUrl]:
    """Return the mirrors in the user's configuration file."""
    found = configuration(file)
    keys = ((MIRRORS.key, DEBIAN), (SECURITY_MIRRORS.key, SECURITY), (UBUNTU_MIRRORS.key, UBUNTU))
    return [MirrorUrl(archive, _check_url(url)) for key, archive in keys for url in found.get(key, "").split()]


def apt_snapshots(directory: Path) -> dict[str, str]:
    """Return the snapshot archives in the machine's apt configuration; unreadable files are skipped.

    A snapshot archive of Debian with a component `debian` in its URL also implies one of `debian-security`.
    """
    found: dict[str, str] = {}
    overrides: dict[str, str] = {}
    try:
        parts = sorted((directory / "apt.conf.d").iterdir())
    except OSError:
        parts = []
    for file in [*parts, directory / "apt.conf"]:
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue
        for match in re.finditer(_SNAPSHOTS, text, re.IGNORECASE | re.MULTILINE):
            url = match["url"].rstrip("/")
            split = _split(url)
            if split is not None and split.scheme in ("http", "https", "file") and _AT in split.path:
                archive = DEBIAN if match["debian"] else UBUNTU if match["ubuntu"] else SECURITY
                (overrides if match["override"] else found)[archive] = url
    found |= overrides
    if DEBIAN in found and SECURITY not in found:
        beside = re.sub(r"(?<=/)debian(?=/)", SECURITY, found[DEBIAN])
        if beside != found[DEBIAN]:
            found[SECURITY] = beside
    return found


def apt_bases(directory: Path) -> list[MirrorUrl]:
    """Return the mirrors of Debian's or Ubuntu's own archives in the machine's apt sources, without third parties'.

    Unreadable and malformed files are skipped.
    """
    bases: list[MirrorUrl] = []
    parts = directory / "sources.list.d"
    try:
        extra = sorted(parts.iterdir())
    except OSError:
        extra = []
    for file in [directory / "sources.list", *extra]:
        try:
            text = file.read_text("utf-8", "replace")
            if file.suffix == ".list":
                bases += parse_one_line(text)
            elif file.suffix == ".sources":
                bases += parse_deb822(text)
        except (OSError, ControlError):
            continue
    return list(dict.fromkeys(bases))


def parse_one_line(text: str) -> list[MirrorUrl]:
    """Parse the distribution's mirrors in a sources.list: `deb [options] URI suite component...`."""
    bases = []
    for line in text.splitlines():
        words = re.sub(_OPTIONS, " ", line.partition("#")[0]).split()
        if len(words) >= 3 and words[0] == "deb":
            bases += _known([words[1]], [words[2]], words[3:])
    return bases


def parse_deb822(text: str) -> list[MirrorUrl]:
    """Parse the distribution's mirrors in a *.sources file."""
    bases = []
    for fields in stanzas(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "without", "off", "disable", "0"):
            continue
        if "deb" in fields.get("types", "").split():
            words = [fields.get(key, "").split() for key in ("uris", "suites", "components")]
            bases += _known(*words)
    return bases


def _known(uris: Sequence[str], suites: Sequence[str], components: Sequence[str]) -> list[MirrorUrl]:
    """Return the mirrors among `uris` whose suites and components are the distribution's.

    Third parties use the same directories. Those of Ubuntu have the same suites as well, but no component but main.
    """
    if "main" not in components:
        return []
    debian = all(re.match(_SUITE, suite) for suite in suites)
    named = [re.match(_UBUNTU_SUITE, suite) for suite in suites]
    ubuntu = len(components) > 1 and all(found is not None and found[1] in UBUNTU_RELEASES for found in named)
    bases = []
    for uri in uris:
        parts = _split(uri)
        match = re.search(_ARCHIVE_PATH, parts.path) if parts is not None and parts.scheme in _SCHEMES else None
        if match is None:
            continue
        url = re.sub(r"^copy:", "file:", uri).rstrip("/")
        if match[1] in (UBUNTU, PORTS):
            bases += [MirrorUrl(UBUNTU, url)] if ubuntu else []
        elif debian:
            security = match[1] == SECURITY or any("security" in suite for suite in suites)
            bases.append(MirrorUrl(SECURITY if security else DEBIAN, url))
    return bases
