"""Keep the gems, crates and files of Maven of a project in a registry and a bundle; pack it after their sources end."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.archives.crates import CrateRegistry
from support.archives.shells import packages_of, world
from support.processes.program import Fpack
from support.servers.httpserver import Server
from support.servers.registry import Registry

TOOLS = (
    "bundler", "cargo", "gcc", "libc6-dev", "maven", "openjdk-21-jdk-headless", "openjdk-21-jre-headless", "ruby",
    "rustc",
)  # fmt: skip
# The image has what the build is given, so that its digest is that of the packages, and no compiler runs.
PROJECT = """
debian = import("fpack/debian").trixie
app = KIND
image = container {
  name = "app"
  packages = [debian.greet, debian.bash]
  entrypoint = ["/usr/bin/greet"]
  env = { GIVEN = app.env.VARIABLE }
}
"""
GEMS = "https://gems.example.org/"
MIRROR = "<settings><mirrors><mirror><mirrorOf>central</mirrorOf><url>{}</url></mirror></mirrors></settings>"
MINE = ("CARGO_HOME", "BUNDLE_MIRROR__HTTPS://GEMS__EXAMPLE__ORG/")
Prepare = Callable[[Path, Path, str], tuple[str, str]]


def _gems(project: Path, folder: Path, url: str) -> tuple[str, str]:
    (folder / "gems").mkdir()
    (folder / "gems/words-1.0.0.gem").write_bytes(b"a gem")
    sha256 = hashlib.sha256(b"a gem").hexdigest()
    (project / "Gemfile.lock").write_text(
        f"GEM\n  remote: {GEMS}\n  specs:\n    words (1.0.0)\n\nDEPENDENCIES\n  words\n\n"
        f"CHECKSUMS\n  words (1.0.0) sha256={sha256}\n"
    )
    return 'ruby { name = "app", source = ./., lock = ./Gemfile.lock }', "gems"


def _crates(project: Path, folder: Path, url: str) -> tuple[str, str]:
    registry = CrateRegistry(folder)
    registry.configure(folder / "cargo", url)
    registry.add("words", "1.0.0", {"src/lib.rs": "pub fn day() {}\n"})
    (project / "Cargo.lock").write_text(f"version = 4\n\n{registry.lock}")
    return 'rust { name = "app", source = ./., lock = ./Cargo.lock }', "crate_sources"


def _maven(project: Path, folder: Path, url: str) -> tuple[str, str]:
    path = "org/example/words/1.0/words-1.0.jar"
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_bytes(b"a jar")
    (project / "pom.xml").write_text("<project/>\n")
    repository, sha256 = "maven:https://repo.maven.apache.org/maven2/", hashlib.sha256(b"a jar").hexdigest()
    lock = {
        "format": 1,
        "of": hashlib.sha256(b"<project/>\n").hexdigest(),
        "files": {path: {"repository": repository, "sha256": sha256}, f"{path}.text": {"text": "found"}},
    }
    (project / "maven.lock").write_text(json.dumps(lock))
    return 'maven { name = "app", source = ./. }', "artifacts"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = world(tmp_path_factory.mktemp("archive"))
    for name in TOOLS:
        made.add(name)
    for name, program in (("tar", "tar"), ("gzip", "gzip"), ("findutils", "find")):
        made.add(name, "13", files=packages_of(program), packing="zst")
    made.publish()
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepare", "scheme"), [(_gems, "gem:"), (_crates, "cargo:"), (_maven, "maven:")], ids=["gems", "crates", "maven"]
)
def test_what_a_language_fetched_comes_from_a_kept_lock_and_a_bundle(
    archive: Archive, tmp_path: Path, prepare: Prepare, scheme: str
) -> None:
    project, folder = tmp_path / "project", tmp_path / "packages"
    project.mkdir()
    folder.mkdir()
    fpack, bundle = Fpack(tmp_path / "home", archive), tmp_path / "app.bundle"
    fpack.env["CARGO_HOME"] = str(folder / "cargo")
    with Server(folder) as server, Registry() as registry:
        fpack.env["BUNDLE_MIRROR__HTTPS://GEMS__EXAMPLE__ORG/"] = server.url
        (fpack.home / ".m2").mkdir()
        (fpack.home / ".m2/settings.xml").write_text(MIRROR.format(server.url))
        kind, variable = prepare(project, folder, server.url)
        (project / "fpack.fp").write_text(PROJECT.replace("KIND", kind).replace("VARIABLE", variable))
        address = f"{registry.host}/team/kept"
        (kept,) = json.loads(fpack("lock", "--keep", address, "--json", cwd=project).stdout)["kept"]
        fpack("bundle", bundle, cwd=project)
        asked = len(server.requests)
        first = fpack.pack("-o", tmp_path / "a.tar", cwd=project)
        wanted = first["digest"]
        sources = json.loads(Path(first["manifest"]).read_text())["sources"]
        assert [urls for urls in (each["urls"] for each in sources) if urls[0].startswith(scheme)]
        # What is kept was fetched once; the project's own lock names one file, beside the packages of Debian.
        assert len(server.requests) == asked > 0
        (checked,) = json.loads(fpack("mirror", "check", address, "--json").stdout)["locks"]
        assert not checked["problems"] and checked["files"] == kept["files"] > checked["packages"] > 0

        def packed(name: str, *options: str, **env: str) -> object:
            """Pack as another user, with a store of its own and no archive."""
            user = Fpack(tmp_path / name, archive)
            user.env |= {"FPACK_MIRROR": "only", **env}
            return user.pack(*options, "--frozen", "-o", tmp_path / f"{name}.tar", cwd=project)["digest"]

        assert packed("registry", FPACK_MIRROR=f"kept={address} only") == wanted
    assert len(server.requests) == asked
    user = Fpack(tmp_path / "bundle", archive)
    user.env |= {"FPACK_MIRROR": "only", "FPACK_KEPT": str(bundle)}
    done = user("--offline", "pack", "--json", "--frozen", "-o", tmp_path / "b.tar", cwd=project)
    assert json.loads(done.stdout)["digest"] == wanted
    # No file of the language was in the store already: without a place that keeps it, nothing is packed.
    nobody = Fpack(tmp_path / "nobody", archive)
    shutil.copytree(fpack.home / ".m2", nobody.home / ".m2")
    assert "words-1.0" in nobody.fails("pack", "--frozen", cwd=project, env={name: fpack.env[name] for name in MINE})
