"""An archive that moves on, as Debian's does: signed states on disk, one for each date, with a security suite.

    moving = MovingArchive(tmp_path / "archive")
    moving.first()                 # openssl 3.5.1-1 and others; signed
    moving.security_update()       # openssl 3.5.1-1+deb13u1 in trixie-security, and a tracker file that names the CVE
    moving.point_release()         # new versions in trixie itself: openssl's security update, and zlib

Each state is a directory of its own, as the snapshot archive has them: it keeps its .debs and indexes. `mirror` names
the current state, `mirror_at` an earlier one. Packages have changelogs. openssl has two binary packages, of which one
was rebuilt, so that its version is not the source's.
"""

from __future__ import annotations

import gzip
import json
import shutil
import time
from pathlib import Path
from typing import Any

from support.archives.archive import DAY, Archive, Entry, file
from support.processes.program import Fpack, world

# A vulnerability that the security update fixes, one that openssl had before, and one of zlib that stays.
CVE, OLD_CVE, OPEN_CVE = "CVE-2026-1234", "CVE-2025-9999", "CVE-2026-5678"
FIRST, FIXED, POINT = "3.5.1-1", "3.5.1-1+deb13u1", "3.5.1-1+deb13u2"
PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "app"
  packages = [debian.app, debian.openssl]
  closure = "depends"
  entrypoint = ["/usr/bin/app"]
}
"""
_MACHINE_READABLE = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2026 Nobody
License: {licence}
 A text.
"""
PUBLIC, GPL = _MACHINE_READABLE.format(licence="Zlib"), _MACHINE_READABLE.format(licence="GPL-2")
_ENTRY = """{source} ({version}) {suite}; urgency={urgency}

{changes}

 -- Nobody <nobody@example.org>  {date}

"""


def entry(source: str, version: str, *changes: str, suite: str = "trixie", urgency: str = "medium") -> str:
    """Return an entry of a changelog."""
    text = "\n".join(f"  * {change}" for change in changes)
    date = "Mon, 02 Nov 2026 10:00:00 +0000"
    return _ENTRY.format(source=source, version=version, suite=suite, urgency=urgency, changes=text, date=date)


OPENSSL = {
    FIRST: entry("openssl", FIRST, f"New upstream version; fixes {OLD_CVE}.", suite="unstable"),
    FIXED: entry("openssl", FIXED, f"{CVE}: check a length.", suite="trixie-security", urgency="high"),
    POINT: entry("openssl", POINT, "Rebuild the documentation."),
}


class MovingArchive:
    """An archive whose states lie side by side. archive: the current state. tracker: a file in the security
    tracker's format, of the current state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._began = time.time() - 12 * DAY
        self.archive = world(folder / "state0")
        self.tracker = folder / "tracker.json"
        self._states: list[Archive] = []

    @property
    def mirror(self) -> str:
        """The mirrors as an option: the current state."""
        return self.archive.mirror

    def mirror_at(self, number: int) -> str:
        """Return the mirrors as an option: the state of this number, 0 for the first."""
        return [*self._states, self.archive][number].mirror

    def user(self, home: Path) -> Fpack:
        """Return a user with PROJECT, whose mirror is the current state."""
        fpack = Fpack(home, self.archive)
        (home / "fpack.fp").write_text(PROJECT)
        return fpack

    def first(self) -> None:
        """Publish the first state."""
        self._openssl(FIRST)
        self._zlib("1:1.3-1")
        self.archive.add("app", "1.0-1", depends="libssl3t64, zlib1g, dash", files={"usr/bin/app": _program("1.0")})
        self._track(fixed=None)
        self._publish()

    def security_update(self, copyright: str = PUBLIC, code: str = FIXED) -> None:
        """Publish a state whose security suite has a new openssl. copyright: the copyright file of openssl.

        code: the version whose program and library it has; with FIRST, the fix is in nothing that an image has.
        """
        self._next()
        self._openssl(FIXED, suite="trixie-security", copyright=copyright, code=code)
        self._track(fixed=FIXED)
        self._publish()

    def point_release(self, code: str = POINT) -> None:
        """Publish a state whose main suite has another openssl, a new zlib, and a new app that needs it.

        code: as of `security_update`.
        """
        self._next()
        for name in ("openssl", "libssl3t64", "zlib1g", "app"):
            self.archive.remove(name)
        self._openssl(POINT, code=code)
        self._zlib("1:1.3-2")
        files = {"usr/bin/app": _program("1.1")}
        self.archive.add("app", "1.1-1", depends="libssl3t64, zlib1g (>= 1:1.3-2), dash", files=files)
        self._publish()

    def _next(self) -> None:
        """Begin a new state, as a copy of the current one, which stays as it is."""
        before = self.archive
        self._states.append(before)
        self._number += 1
        folder = self._folder / f"state{self._number}"
        shutil.copytree(before.folder, folder)
        self.archive = before.copied(folder)

    def _publish(self) -> None:
        self.archive.publish(date=self._began + self._number * 5 * DAY, days=30)

    def _openssl(self, version: str, suite: str = "", copyright: str = PUBLIC, code: str = "") -> None:
        """Add the binary packages of openssl. libssl3t64 was rebuilt once, so its version is not the source's."""
        texts = [OPENSSL[known] for known in (POINT, FIXED, FIRST) if known <= version]
        library, built = (
            f"{version}+b1",
            entry("openssl", f"{version}+b1", "Rebuild for a new compiler.", urgency="low"),
        )
        self.archive.add(
            "openssl", version, suite=suite, depends="libssl3t64", copyright=copyright,
            files={"usr/bin/openssl": _program(f"openssl {code or version}"), **changelog("openssl", "".join(texts))},
        )  # fmt: skip
        self.archive.add(
            "libssl3t64", library, suite=suite, fields={"Source": f"openssl ({version})"},
            files={
                "usr/lib/libssl.so.3": f"libssl {code or version}\n",
                **changelog("libssl3t64", "".join(texts)),
                "usr/share/doc/libssl3t64/changelog.Debian.amd64.gz": file(gzip.compress(built.encode(), mtime=0)),
            },
        )  # fmt: skip

    def _zlib(self, version: str) -> None:
        texts = entry("zlib", version, "Speed it up.") + entry("zlib", "1:1.3-1", "First version.")
        files: dict[str, Any] = {"usr/lib/libz.so.1": f"libz {version}\n", **changelog("zlib1g", texts)}
        self.archive.add("zlib1g", version, fields={"Source": "zlib"}, files=files)

    def _track(self, fixed: str | None) -> None:
        """Write what the security tracker says: a vulnerability of openssl, fixed or not, and one of zlib."""
        status = {"status": "resolved", "fixed_version": fixed} if fixed else {"status": "open"}
        released = {"trixie": {**status, "urgency": "high", "repositories": {"trixie": FIRST}}}
        about = {"description": "A length is not checked.", "scope": "remote", "releases": released}
        minor = {"status": "open", "urgency": "low", "nodsa": "Minor issue", "nodsa_reason": "postponed"}
        other = {"description": "It is slow.", "scope": "local", "releases": {"trixie": minor}}
        self.tracker.write_text(json.dumps({"openssl": {CVE: about}, "zlib": {OPEN_CVE: other}}))


def changelog(package: str, text: str) -> dict[str, Entry]:
    """Return the changelog of a package, among its files."""
    return {f"usr/share/doc/{package}/changelog.Debian.gz": file(gzip.compress(text.encode(), mtime=0))}


def _program(text: str) -> Entry:
    return file(f"#!/bin/sh\n# {text}\n", 0o755)
