"""The examples as their reader has them: a copy of them, and an fpack with a store of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from support.paths import REPOSITORY
from support.processes.program import Fpack

EXAMPLES = REPOSITORY / "examples"
LEFT_BY_USERS = shutil.ignore_patterns("*.tar", "*.manifest.json", "fpack.lock", "result", ".fpack")
FROM_OUTSIDE = ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")


class World:
    """A copy of the examples, and an fpack. prefix: what the program is run by. store: by default one of its own."""

    def __init__(self, place: Path, prefix: tuple[str, ...] = (), store: Path | None = None) -> None:
        self.fpack = Fpack(place / "home", prefix=prefix)
        self.fpack.use_mirrors_of_the_machine(store)
        self.fpack.env |= {k: v for k, v in os.environ.items() if k in FROM_OUTSIDE}
        self.examples = place / "examples"
        shutil.copytree(EXAMPLES, self.examples, symlinks=True, ignore=LEFT_BY_USERS)

    def built(self, example: str, what: str, timeout: float = 900) -> str:
        """Return the store path that something comes to."""
        done = self.fpack("build", what, "--no-link", "--json", cwd=self.examples / example, timeout=timeout)
        path: str = json.loads(done.stdout)["path"]
        return path

    def rebuilt(self, example: str, what: str) -> set[str]:
        """Return the names of what has to be built from source for something, when it is built."""
        done = self.fpack("build", what, "--no-link", "-v", cwd=self.examples / example, timeout=600)
        steps = (line.split() for line in done.stderr.splitlines())
        return {words[1] for words in steps if len(words) == 2 and words[0] == "build"}


def write_files(place: Path, files: Mapping[str, str]) -> Path:
    """Write files below a directory, by their paths in it. Return the directory."""
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place
