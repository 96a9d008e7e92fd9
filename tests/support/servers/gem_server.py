"""Stand in for RubyGems' server: gems made of Debian's packages of Ruby and of sources, with the index for Bundler."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

SOURCE = "https://rubygems.org"
_MAKER = Path(__file__).with_name("gems.rb")
_PROJECT = """debian = import("fpack/debian").trixie
gems = package {{
  name = "gems"
  tools = [{tools}]
  source = ./files
  build = "ruby gems.rb $out {sources}"
  install = {install}
  strip = false
  fixup = null
}}
"""


def make(
    build: Callable[[Path], str],
    directory: Path,
    packages: Sequence[str],
    sources: Mapping[str, Mapping[str, str]],
    install: str = "",
) -> str:
    """Return the store path of a server's files: `versions`, and below `info` and `gems`.

    build: builds the package `gems` of the project in a directory, and returns its store path. packages: of Debian,
    whose gems are served. sources: the files of further gems, by directory. install: commands that add files to $out.
    """
    files = directory / "files"
    files.mkdir(parents=True)
    shutil.copy(_MAKER, files)
    for gem, texts in sources.items():
        for name, text in texts.items():
            (files / gem / name).parent.mkdir(parents=True, exist_ok=True)
            (files / gem / name).write_text(text)
    tools = ", ".join(f"debian.{name}" for name in ("ruby", *packages))
    text = _PROJECT.format(tools=tools, sources=" ".join(sources), install=json.dumps(install))
    (directory / "fpack.fp").write_text(text)
    return build(directory)


def environment(url: str) -> dict[str, str]:
    """Return the variables by which Bundler and fpack take the gems of RubyGems' server from a mirror."""
    return {f"BUNDLE_MIRROR__{SOURCE.upper().replace('.', '__')}/": url}
