"""A checkout of a stranger's that attacks whoever works in it, and a user's own tools that tell how they were started.

    world = Checkout(folder, mode)
    world.fpack("build", "from-npm", cwd=world.checkout)
    assert world.ran == [] and world.started("npm").cwd == "/"

Whatever of the checkout is executed leaves its name in `ran`. The user's tools, each a stand-in that looks into its
working directory as the real one does, note their variables and their working directory.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from support.archives.archive import Archive
from support.paths import TESTS
from support.processes import unprivileged
from support.processes.people import public_directory
from support.processes.program import Fpack
from support.processes.program import world as small_world

MODES = ("root", "rootless")
SECRET = "only-the-caller-knows-this"
# What is in the way of relative entries of PATH, and of Python's and other tools' search in the working directory.
_PROGRAMS = (
    "npm", "node", "pip", "pip3", "go", "git", "bwrap", "mksquashfs", "podman", "docker", "diffoscope", "python",
    "python3", "sh", "env", "crun", "newuidmap", "sed", "cat",
)  # fmt: skip
_MODULES = (
    "pip/__init__", "pip/__main__", "sitecustomize", "usercustomize", "ensurepip", "venv/__init__", "venv/__main__",
    "fpack/__init__", "click", "blake3", "json/__init__", "subprocess", "socket", "encodings/__init__",
)  # fmt: skip
# As npm reads its settings: the working directory's before the user's, with variables replaced.
_NPM = """
for file in ./.npmrc "$HOME/.npmrc"; do
  line=$(sed -n 's/^registry=//p' "$file" 2>/dev/null)
  if [ -n "$line" ]; then eval "echo \\"$line\\""; exit; fi
done
echo "${NPM_CONFIG_REGISTRY-}"
"""
# As the shims of version managers do: a file of the working directory says which one is run.
_PIP = """
if [ -r .python-version ]; then exec "$(cat .python-version)/bin/pip" "$@"; fi
echo "global.index-url='${PIP_INDEX_URL-http://127.0.0.1:9}'"
"""
# As Go does by itself: the module's file asks for another Go.
_GO = """
if [ -r go.mod ] && [ "${GOTOOLCHAIN-}" != local ]; then exec "$(sed -n 's/^toolchain //p' go.mod)" "$@"; fi
printf '%s\\n' "${GOPROXY-http://127.0.0.1:9}" '' ''
"""
_ENGINE = "cat >/dev/null\n"
_MKSQUASHFS = 'cat >/dev/null\necho made >"$2"\n'
_TOOLS = {
    "npm": _NPM, "pip": _PIP, "go": _GO, "podman": _ENGINE, "docker": _ENGINE, "mksquashfs": _MKSQUASHFS,
    "diffoscope": "echo 'it differs'\n",
}  # fmt: skip
_PROJECT = """
debian = import("fpack/debian").trixie
digest = "sha512-MJ7MSJwS1utMxA9QyQLytNDtd+5RGnx6m808qG1M2G+YndNbxf9JlnDaNCVbRbDP2DDoH2Bdz33FVC6TrpzXbw=="
from-npm = derivation { kind = "npm", name = "a.tgz", url = "", path = "a/-/a-1.tgz", integrity = digest }
from-pip = derivation {
  kind = "pypi", name = "a-1", project = "a", version = "1", hashes = ["%s"], urls = [], optional = false
  sources = false, python = "3.13", libc = "2.41", arch = "amd64"
}
from-go = derivation {
  kind = "gomod", name = "a-1", module = "example.org/a", version = "v1.0.0", toolchain = ""
  zip = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", mod = ""
}
image = container { packages = [debian.hello] }
""" % ("ab" * 32)


class Started(NamedTuple):
    """The start of a tool. environ: its variables; cwd: its working directory."""

    environ: dict[str, str]
    cwd: str


class Checkout:
    """A stranger's checkout at `checkout`, and a user who works in it. registry: where its settings send npm."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.checkout, self.tools = folder / "checkout", folder / "tools"
        self._ran, self._notes = folder / "ran", folder / "notes"
        for place in (self.checkout, self.tools, self._notes):
            place.mkdir()
        self._lay()
        for name, text in _TOOLS.items():
            note = f'{{ pwd; env -0 | tr "\\\\n\\\\0" " \\\\n"; }} >{self._notes}/{name}\n'
            _program(self.tools / name, f"#!/bin/sh\n{note}{text}")
        packages = [Path(p) for p in (sys.base_prefix, sys.prefix, _package(), TESTS)]
        prefix = unprivileged.prefix(packages) if mode == "rootless" else []
        self.archive: Archive = small_world(folder / "archive")
        self.fpack = Fpack(folder / "home", self.archive, prefix=tuple(prefix))
        if mode == "rootless" and os.geteuid() == 0:
            for directory, folders, files in os.walk(folder):
                for name in (".", *folders, *files):
                    os.chown(os.path.join(directory, name), unprivileged.UID, unprivileged.UID, follow_symlinks=False)

    def _lay(self) -> None:
        here, evil = self.checkout, f'#!/bin/sh\necho "$0" >>{self._ran}\nexit 1\n'
        for name in _PROGRAMS:
            for folder in ("node_modules/.bin", ".venv/bin", *([] if name == "pip" else ["."])):
                _program(here / folder / name, evil)
        for name in _MODULES:
            file = here / f"{name}.py"
            file.parent.mkdir(exist_ok=True, parents=True)
            file.write_text(f"open({str(self._ran)!r}, 'a').write(__file__ + '\\n')\n")
        for name in ("fsmonitor", "smudge", "hooks/post-checkout", "hooks/post-index-change", "hooks/pre-commit"):
            _program(here / ".git" / name, evil)
        run = here / ".git"
        (here / ".git/config").write_text(
            f"[core]\n\tfsmonitor = {run}/fsmonitor\n\thooksPath = {run}/hooks\n\tpager = {run}/smudge\n"
            f"\tsshCommand = {run}/smudge\n"
            f'[filter "evil"]\n\tsmudge = {run}/smudge\n\tclean = {run}/smudge\n\trequired = true\n'
        )
        (here / ".git/HEAD").write_text("ref: refs/heads/main\n")
        for name in ("objects", "refs"):
            (here / ".git" / name).mkdir()
        (here / ".gitattributes").write_text("* filter=evil diff=evil\n")
        (here / ".python-version").write_text("./.venv\n")
        (here / "go.mod").write_text("module a\ntoolchain ./go\n")
        (here / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/${SECRET}\n")
        (here / "package.json").write_text('{"name": "a", "packageManager": "./npm"}')
        (here / "fpack.fp").write_text(_PROJECT)

    def lead_npm_to(self, registry: str) -> None:
        """Write settings of the project that send npm's requests there, and the caller's secret with them."""
        (self.checkout / ".npmrc").write_text(f"registry={registry}/${{SECRET}}\n")

    @property
    def ran(self) -> list[str]:
        """The programs of the checkout that were executed."""
        return self._ran.read_text().splitlines() if self._ran.exists() else []

    def started(self, name: str) -> Started:
        """Return how one of the user's tools was started last. Fail if it was not."""
        lines = (self._notes / name).read_text().splitlines()
        variables = (line.partition("=") for line in lines[1:])
        return Started({key: value for key, _, value in variables}, lines[0])


@contextlib.contextmanager
def checkouts(mode: str) -> Iterator[Checkout]:
    """Yield a checkout in a directory that the user can reach, which is deleted afterwards."""
    if mode == "root" and os.geteuid():
        pytest.skip("only root can work as root")
    with public_directory("checkout") as folder:
        yield Checkout(folder, mode)


def _program(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(0o755)


def _package() -> str:
    spec = find_spec("fpack.store")
    assert spec is not None and spec.origin is not None
    return os.path.dirname(os.path.dirname(spec.origin))
