"""A project whose image is made of every kind of source, and a fixture that packs it.

Some sources are in no layer of the image, so they travel in its artifact.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from support.archives.shells import world
from support.processes.program import Fpack

# The sources of builds are in no layer. Each of the others is in a layer in another way.
PROJECT = """
debian = import("fpack/debian").trixie
package = import("fpack/package").package
built(name, source) = package {
  name, version = "1", source, unpack = null, check = null, fixup = null, build = null
  install = "mkdir -p $out/etc; cp $source/shop.conf $out/etc; cat $source/deep/kept.log > $out/etc/kept"
}
image = container {
  name = "shop"
  packages = [debian.greet, debian.bash, built("shop", ./conf), built("copy", ./copy)]
  entrypoint = ["/usr/bin/greet"]
  env = { DATA = "${./data}" }
  files = {
    "/srv/site" = { source = ./site }
    "/srv/start" = { source = ./start.sh, mode = "0644" }
    "/srv/site-too/page.html" = ./site/page.html
  }
}
"""
FILES = {
    "conf/shop.conf": "open = 9\n",
    "conf/.gitignore": "*.log\n.gitignore\n",
    # The inner rule wins for a file below, and is no part of the source, as the outer rule leaves it out.
    "conf/deep/.gitignore": "!kept.log\n",
    "conf/deep/kept.log": "kept\n",
    "conf/dropped.log": "dropped\n",
    "conf/deep/run": "#!/bin/sh\n",
    "data/one.txt": "one\n",
    "site/page.html": "<p>hello\n",
    "site/deep/run": "#!/bin/sh\n",
    "start.sh": "#!/bin/sh\necho start\n",
}
CARRIED = ("conf", len("open = 9\nkept\n#!/bin/sh\n"))


class Shop(NamedTuple):
    """The program, the project, and the image that was packed of it."""

    fpack: Fpack
    project: Path
    tar: Path


def make_project(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    (folder / "conf" / "link").symlink_to("deep/run")
    (folder / "site" / "index").symlink_to("page.html")
    shutil.copytree(folder / "conf", folder / "copy", symlinks=True)  # the same tree by another name
    (folder / "fpack.fp").write_text(PROJECT)
    return folder


@pytest.fixture(scope="module")
def packed_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    archive = world(tmp_path_factory.mktemp("archive") / "archive")
    archive.publish()
    fpack = Fpack(tmp_path_factory.mktemp("shop") / "home", archive)
    project = make_project(fpack.home / "project")
    fpack("pack", cwd=project)
    return Shop(fpack, project, project / "shop.tar")
