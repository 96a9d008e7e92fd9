"""Make the greeter project and pack it: an image with every kind of content, for tests of verbs that read images.

It has packages, extra files with modes and owners, links, and store paths.
"""

from __future__ import annotations

import atexit
import functools
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from fpack.store.files.remove import remove_tree
from support.archives.archive import Archive, file
from support.processes.program import Fpack, world

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "greeter"
  tag = "1.0"
  packages = [debian.hello, debian.greet-tools]
  closure = "linked"
  wants = ["/usr/share/greet/words"]
  entrypoint = ["/usr/bin/hello"]
  env = { GREETING = "hi", DATA = "${./data}", NOTE = "${note}" }
  files = {
    "/srv/app/main.sh" = ./main.sh
    "/etc/motd" = { text = "welcome", mode = "0600", uid = 7, gid = 8 }
    "/srv/ünïcode" = "text"
  }
  directories = { "/srv/data" = { mode = "0700", uid = 999, gid = 999 } }
  links = { "/srv/words" = "/usr/share/greet/words" }
  ports = [8000]
  volumes = ["/srv/data"]
  labels = { a = "b" }
  user = "nobody"
}
note = text("note", "see ${./data}/one.txt")
everything = image.with { closure = "depends" }
"""


class Greeter(NamedTuple):
    """The program, the project's directory, the image archive that was packed from it, and the manifest beside that."""

    fpack: Fpack
    project: Path
    tar: Path
    manifest: Path


def greeter(home: Path, archive: Archive | None = None) -> Greeter:
    """Make the project and pack it, below `home`. Without `archive`, from one that tests only read."""
    if archive is not None:
        return _packed(home, archive)
    made = _first()
    subprocess.run(["cp", "-a", made.fpack.home, home], check=True)
    project = home / "project"
    return Greeter(Fpack(home, made.fpack.archive), project, project / made.tar.name, project / made.manifest.name)


@functools.cache
def _first() -> Greeter:
    """Return the packed project of which each user of it gets a copy: packing it takes longer than most tests."""
    folder = Path(tempfile.mkdtemp(prefix="fpack-greeter-"))
    atexit.register(remove_tree, folder)
    archive = world(folder / "archive")
    archive.add("idle", files={"usr/share/idle/nothing": "nothing\n"})
    # greet-tools depends on a package whose files nothing loads, and its interpreter is in no package: so a linked
    # image leaves the first out and reports the second.
    tool = file(b"#!/usr/bin/env sometool\n", 0o755)
    archive.add("greet-tools", depends="hello, idle", files={"usr/bin/greet": tool, "bin/greet-old": tool})
    archive.publish()
    return _packed(folder / "home", archive)


def _packed(home: Path, archive: Archive) -> Greeter:
    fpack = Fpack(home, archive)
    project = home / "project"
    (project / "data" / "deep").mkdir(parents=True)
    (project / "data" / "one.txt").write_text("one\n")
    (project / "data" / "deep" / "run").write_text("#!/bin/sh\n")
    (project / "data" / "deep" / "run").chmod(0o755)
    (project / "data" / "link").symlink_to("deep/run")
    (project / "fpack.fp").write_text(PROJECT)
    (project / "main.sh").write_text("#!/bin/sh\necho main\n")
    (project / "main.sh").chmod(0o755)
    fpack.pack(cwd=project)
    return Greeter(fpack, project, project / "greeter.tar", project / "greeter.manifest.json")
