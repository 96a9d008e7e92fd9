"""A real rebuilderd and its worker build a package of Debian again, and fpack judges what they say.

The worker's usual backend needs all former packages of Debian. The backend here builds in a shell of fpack, with
trixie's current tools, which gives `netbase` bit by bit. The worker compares and signs as it does everywhere.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.debian.mirrors import find_mirrors
from fpack.builders.net.errors import HttpError
from fpack.builders.net.http import Http
from support.needs import needs_bubblewrap
from support.processes.program import Fpack
from support.servers.httpserver import Server
from support.servers.rebuilderd import Announced, Rebuilderd
from support.servers.rebuilders import LockedDeb, locked
from support.stores.shared import shared_store

pytestmark = [pytest.mark.network, pytest.mark.long, needs_bubblewrap]

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "net"
  packages = [debian.netbase, debian.media-types]
  closure = "depends"
  configure = false
}
"""
TOOLS = [f"debian.trixie.{name}" for name in ("build-essential", "debhelper", "dpkg-dev")]


class Rebuild:
    """Builds `netbase` from its source in the archive, and nothing else; `environment` precedes the build."""

    def __init__(self, fpack: Fpack, sources: Path, environment: str = ":") -> None:
        self.fpack = fpack
        self.sources = sources
        self.environment = environment

    def __call__(self, path: Path, out: Path) -> None:
        if not path.name.startswith("netbase"):
            raise ValueError("there is no source")
        work = self.sources.with_name(f"build-{out.parent.name}")
        shutil.copytree(self.sources, work)
        script = f"set -e; {self.environment}; dpkg-source -x *.dsc src; cd src; dpkg-buildpackage -b -d -us -uc"
        words = self.fpack.command("shell", "--pure", *TOOLS, "--", "sh", "-c", script)
        subprocess.run(words, cwd=work, env=self.fpack.env, check=True, capture_output=True, timeout=600)
        for deb in work.glob("*.deb"):
            shutil.copy(deb, out)


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    """fpack with the machine's mirrors, and the image packed."""
    made = Fpack(tmp_path_factory.mktemp("real") / "home")
    made.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    (made.home / "fpack.fp").write_text(PROJECT)
    made("pack", "-o", "net.tar", timeout=600)
    return made


@pytest.fixture(scope="module")
def archive(fpack: Fpack) -> Iterator[Server]:
    """Yield the packages of the image and the source of netbase, from Debian's archive."""
    folder = fpack.home / "archive"
    mirrors, http = find_mirrors(environ=fpack.env), Http()
    by_name = {about.name: about for about in locked(fpack.home / "net.manifest.json")}
    version = by_name["netbase"].version
    paths = [about.file for about in by_name.values()]
    paths.append(f"pool/main/n/netbase/netbase_{version}.dsc")
    try:
        for path in paths:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            http.download(mirrors.urls("debian", path), target)
            if path.endswith(".dsc"):
                names = sorted(set(re.findall(rf"^ \w{{64}} \d+ (netbase_{re.escape(version)}\.tar\.\w+)$",
                                              target.read_text(), re.M)))  # fmt: skip
                paths += [f"pool/main/n/netbase/{name}" for name in names]
    except HttpError as error:
        pytest.skip(f"the archive does not have it: {error}")
    for about in by_name.values():
        (folder / f"{about.name}.buildinfo").write_text(f"Source: {about.name}\nVersion: {about.version}\n")
    sources = fpack.home / "sources"
    sources.mkdir()
    for path in folder.glob("pool/main/n/netbase/*"):
        if path.suffix != ".deb":
            shutil.copy(path, sources)
    with Server(folder) as server:
        yield server


def announced(archive: Server, about: LockedDeb) -> Announced:
    return Announced(
        about.name, about.version, about.arch, f"{archive.url}/{about.file}", about.name,
        f"{archive.url}/{about.name}.buildinfo",
    )  # fmt: skip


def test_what_rebuilderd_attests_counts(fpack: Fpack, archive: Server, tmp_path: Path) -> None:
    image = fpack.home / "net.tar"
    packages = {about.name: about for about in locked(fpack.home / "net.manifest.json")}
    told = [announced(archive, packages[name]) for name in ("netbase", "media-types")]
    sources = fpack.home / "sources"
    policy, bundle = tmp_path / "policy.toml", tmp_path / "bundle.json"
    with (
        Rebuilderd(tmp_path / "alpha", fpack, Rebuild(fpack, sources)) as alpha,
        Rebuilderd(tmp_path / "beta", fpack, Rebuild(fpack, sources, "export SOURCE_DATE_EPOCH=1")) as beta,
    ):
        alpha.announce(told)
        beta.announce(told[:1])
        assert alpha.wait_for("netbase") == "GOOD", alpha.log()[-4000:]
        assert alpha.wait_for("media-types") == "BAD"
        assert beta.wait_for("netbase") == "BAD"
        operators = []
        for name, server in (("alpha", alpha), ("beta", beta)):
            text = fpack("rebuilders", "keys", server.url).stdout
            operators.append(text.replace('"NAME"', f'"{name}"'))
        policy.write_text("".join(operators))
        fpack("rebuilders", "fetch", image, "--policy", policy, "-o", bundle)
        done = fpack("rebuilders", "show", image, "--policy", policy, "--json", status=1)
    found = {item["name"]: item for item in json.loads(done.stdout)["packages"]}
    assert [said["state"] for said in found["netbase"]["operators"]] == ["reproduced", "not reproduced"]
    assert [said["state"] for said in found["media-types"]["operators"]] == ["not reproduced", "not tried"]
    again = fpack("rebuilders", "show", image, "--policy", policy, "--json", "--rebuilders", bundle, status=1)
    assert again.stdout == done.stdout
    others = [name for name in packages if name != "netbase"]
    excused = "".join(f'[[exception]]\npackage = "{name}"\nreason = "not built here"\n' for name in others)
    policy.write_text(policy.read_text() + excused)
    fpack("verify", image, "--rebuilt=1/2", "--policy", policy, "--rebuilders", bundle)
    text = fpack("verify", image, "--rebuilt=2/2", "--policy", policy, "--rebuilders", bundle, status=1).stdout
    assert "REFUSED: 1 package not reproduced by enough rebuilders" in text
