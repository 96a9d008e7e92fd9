"""A packed project with what a bill of materials must tell: rebuilds, epochs, links, odd names and several licences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from support.archives.archive import Archive, file, link
from support.processes.program import Fpack, world
from support.stores.elves import elf

DATE = 1_790_000_000
LIBRARY = "usr/lib/x86_64-linux-gnu"
LICENCES = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: shared
Upstream-Contact: Ann Author <ann@example.org>

Files: *
Copyright: 2020 Ann Author
License: GPL-2+
"""
PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "billed"
  tag = "1.0"
  packages = [debian.app]
  closure = "linked"
  entrypoint = ["/usr/bin/app"]
  env = { DATA = "${./data}", NOTE = "${note}" }
  files = { "/etc/motd" = "welcome" }
}
note = text("note-1.5", "see ${./data}/one.txt")
"""


class Billed(NamedTuple):
    """The program, the project's directory and the archive of its packages."""

    fpack: Fpack
    project: Path
    archive: Archive

    def document(self, format_: str, *args: str | Path, **options: Any) -> dict[str, Any]:
        """Return the bill of the project's image in a format of JSON."""
        done = self.fpack("sbom", "--format", format_, *args, cwd=self.project, **options)
        value: dict[str, Any] = json.loads(done.stdout)
        return value


def archive_of_bills(folder: Path) -> Archive:
    """Return an archive with a library, a program that loads it, and a package that nothing loads."""
    archive = world(folder)
    archive.add(
        "libshared1",
        "1:2.0+dfsg~rc1-1+b2",
        files={f"{LIBRARY}/libshared.so.1": file(elf(soname="libshared.so.1"))},
        fields={"Source": "shared (1:2.0+dfsg~rc1-1)", "Built-Using": "tool-chain (= 3.1-2), other (= 1:1+x)"},
        homepage="https://shared.example.org/",
        copyright=LICENCES,
    )
    archive.add(
        "app",
        "1.0-1",
        depends="libshared1, dash",
        files={
            "usr/bin/app": file(elf("libshared.so.1"), 0o755),
            "usr/bin/app.sh": file("#!/bin/sh\n", 0o755),
            "usr/share/app/\udcff\udcfe": "odd name\n",
            "usr/share/app/data.zip": file(b"PK\x03\x04 data"),
            "usr/share/app/packed.gz": file(b"\x1f\x8b\x08 data"),
            "usr/share/doc/app": link("libshared1"),
        },
        fields={"Source": "shared (1:2.0+dfsg~rc1-1)"},
        copyright=None,
    )
    archive.publish(date=DATE, days=None)
    return archive


def billed(home: Path, archive: Archive | None = None) -> Billed:
    """Make the project below `home`. Nothing is packed yet."""
    archive = archive or archive_of_bills(home.with_name(home.name + "-archive"))
    return billed_by(Fpack(home, archive), archive)


def billed_by(fpack: Fpack, archive: Archive) -> Billed:
    """Make the project in the home of whoever runs the program."""
    project = fpack.home / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "one.txt").write_text("one\n")
    (project / "fpack.fp").write_text(PROJECT)
    return Billed(fpack, project, archive)
