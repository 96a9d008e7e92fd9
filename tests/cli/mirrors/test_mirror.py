"""Fill, list, check and clean mirrors, and carry them in bundles, over a small signed archive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fpack.cli.mirrors import check
from support.archives.shells import world
from support.processes.program import Fpack
from support.servers.repositories import digest_of

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "greeter"
  packages = [debian.greet, debian.bash]
  entrypoint = ["/usr/bin/greet"]
  env = { DATA = "${data}" }
}
data = fetch { url = "file:./data.txt", sha512 = "DIGEST" }
"""


class Kept:
    """A user, an archive, and a project whose lock a mirror keeps. wanted: the digest of its image."""

    def __init__(self, folder: Path) -> None:
        import hashlib

        self.folder = folder
        self.archive = world(folder / "archive")
        self.archive.add("extra", files={"usr/share/extra": "more"})
        self.archive.publish()
        self.fpack = Fpack(folder / "home", self.archive)
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "data.txt").write_text("data\n")
        (self.project / "fpack.fp").write_text(PROJECT.replace("DIGEST", hashlib.sha512(b"data\n").hexdigest()))
        self.mirror = folder / "mirror"
        self.kept = self.json("lock", "--keep", self.mirror)["kept"][0]
        self.wanted = self.fpack.pack("-o", folder / "first.tar", cwd=self.project)["digest"]

    def json(self, *words: str | Path, **more: Any) -> Any:
        return json.loads(self.fpack(*words, "--json", cwd=self.project, **more).stdout)

    def user(self, name: str) -> Fpack:
        """Return another user, who reaches no archive."""
        other = Fpack(self.folder / name, self.archive)
        other.env["FPACK_MIRROR"] = "only"
        return other

    def blob(self, mirror: Path, name: str) -> Path:
        """Return the blob of a file, by its name in the mirror's table."""
        for path in (mirror / "blobs" / "sha256").iterdir():
            data = path.read_bytes()
            if data.startswith(b'{"files"'):
                return next(
                    path.parent / file["digest"][7:] for file in json.loads(data)["files"] if name in file["name"]
                )
        raise AssertionError("the mirror has no table")

    def copied(self, path: Path) -> Path:
        shutil.copytree(self.mirror, path)
        return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept"))


def packed(fpack: Fpack, project: Path, out: Path, *options: str | Path, **env: str) -> str:
    done = fpack(*options, "pack", "--json", "-o", out, cwd=project, env=env)
    return str(json.loads(done.stdout)["digest"])


def test_what_a_mirror_keeps(kept: Kept) -> None:
    (row,) = kept.json("mirror", "list", kept.mirror)["locks"]
    assert row["id"] == kept.kept["id"] and row["releases"] == ["trixie"] and row["packages"] >= 2
    # Releases, indexes, of which two are empty, and the fetch.
    assert row["files"] == row["packages"] + 3 + 2 + 1
    shown = kept.fpack("mirror", "show", kept.mirror, row["id"][:8]).stdout
    assert shown == (kept.project / "fpack.lock").read_text()
    (checked,) = kept.json("mirror", "check", kept.mirror)["locks"]
    assert checked["signed"] == checked["packages"] == row["packages"] and not checked["problems"]
    assert "already keeps" in kept.fpack("lock", "--keep", kept.mirror, cwd=kept.project).stdout
    assert row["id"][:12] in kept.fpack("mirror", "list", kept.mirror).stdout


def test_a_project_names_its_mirror(kept: Kept, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(kept.project, project)
    kept.copied(project / "kept")
    text = (project / "fpack.fp").read_text()
    (project / "fpack.fp").write_text(text + 'mirrors = ["./kept"]\n')
    (project / ".gitignore").write_text("kept\n")
    assert packed(kept.user("named"), project, tmp_path / "a.tar", "--offline") == kept.wanted
    (project / "fpack.fp").write_text(text + f'mirrors = ["file://{kept.mirror}"]\n')
    message = kept.user("outside").fails("pack", cwd=project)
    assert "not one that a project may name" in message
    (project / "fpack.fp").write_text(text + 'mirrors = ["./link"]\n')
    (project / "link").symlink_to(kept.mirror)
    assert "not one that a project may name" in kept.user("link").fails("pack", cwd=project)


@pytest.mark.parametrize("damage", ["other", "truncated", "gone"])
def test_a_damaged_mirror_is_told_and_completed(kept: Kept, tmp_path: Path, damage: str) -> None:
    mirror = kept.copied(tmp_path / "mirror")
    deb, index = kept.blob(mirror, "greet_"), kept.blob(mirror, "trixie InRelease")
    for path in (deb, index):
        data = path.read_bytes()
        path.unlink()
        if damage != "gone":
            path.write_bytes(data[::-1] if damage == "other" else data[:-1])
    done = kept.fpack("mirror", "check", mirror, "--json", status=1)
    (checked,) = json.loads(done.stdout)["locks"]
    kinds = {problem["name"]: problem["kind"] for problem in checked["problems"]}
    wanted = "missing" if damage == "gone" else "damaged"
    assert [kind for name, kind in kinds.items() if name.startswith("greet_")] == [wanted]
    assert [kind for name, kind in kinds.items() if name.startswith("trixie InRelease")] == [wanted]
    message = kept.user(f"damaged-{damage}").fails("pack", cwd=kept.project, env={"FPACK_KEPT": str(mirror)})
    assert "greet_" in message
    (filled,) = kept.json("mirror", "fill", mirror)["locks"]
    assert filled["sent"] == 2
    assert not kept.json("mirror", "check", mirror)["locks"][0]["problems"]


def test_older_indexes_in_a_mirror_are_refused(kept: Kept, tmp_path: Path) -> None:
    """The older release has a good signature, and lists the older index, but they are not the locked ones."""
    mirror = kept.copied(tmp_path / "mirror")
    old = world(tmp_path / "old")
    old.add("extra", "0.1")
    old.publish(date=1_700_000_000, days=None)
    suite = old.folder / "debian/dists/trixie"
    for name, path in (("trixie InRelease", "InRelease"), ("index of trixie for", "main/binary-amd64/Packages.xz")):
        blob = kept.blob(mirror, name)
        data = (suite / path).read_bytes()
        assert digest_of(data)[7:] != blob.name
        blob.write_bytes(data)
    user = kept.user("rollback")
    lock = (kept.project / "fpack.lock").read_bytes()
    message = user.fails("lock", "debian.trixie.extra", cwd=kept.project, env={"FPACK_KEPT": str(mirror)})
    assert "are no longer available" in message
    assert (kept.project / "fpack.lock").read_bytes() == lock
    assert not list((user.home / ".cache").rglob("*.InRelease"))
    done = kept.fpack("mirror", "check", mirror, status=1).stdout
    assert "damaged: trixie InRelease" in done and "damaged: the index of trixie for amd64" in done


def test_a_mirror_is_filled_from_another_and_from_locks(kept: Kept, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (done,) = kept.json("mirror", "fill", copy, "--from", kept.mirror)["locks"]
    assert done["id"] == kept.kept["id"] and done["digest"] == kept.kept["digest"]
    assert done["sent"] == done["files"] == kept.kept["files"]
    assert kept.json("mirror", "fill", copy, "--from", kept.mirror)["locks"][0]["unchanged"]
    (done,) = kept.json("mirror", "fill", copy, kept.project / "fpack.lock")["locks"]
    assert done["id"] != kept.kept["id"] and done["sent"] == 0  # all but the fetch, which is there
    assert len(kept.json("mirror", "list", copy)["locks"]) == 2
    assert packed(kept.user("copy"), kept.project, tmp_path / "a.tar", FPACK_KEPT=str(copy)) == kept.wanted


def test_gc_deletes_what_no_wanted_lock_needs(kept: Kept, tmp_path: Path) -> None:
    mirror = kept.copied(tmp_path / "mirror")
    kept.fpack("lock", "--lock", tmp_path / "dash.lock", "--keep", mirror, "debian.trixie.extra", cwd=tmp_path)
    assert len(kept.json("mirror", "list", mirror)["locks"]) == 2
    assert "--unused" in kept.fpack.fails("mirror", "gc", mirror)
    assert not kept.json("mirror", "gc", mirror, "--unused", "30")["locks"]
    planned = kept.json("mirror", "gc", mirror, "--wanted", kept.project / "fpack.lock", "--dry-run")
    assert len(planned["locks"]) == 1 and planned["blobs"] and planned["size"]
    done = kept.json("mirror", "gc", mirror, "--wanted", kept.project / "fpack.lock")
    assert {**done, "dry_run": True} == planned
    (left,) = kept.json("mirror", "list", mirror)["locks"]
    assert left["id"] == kept.kept["id"]
    assert not kept.json("mirror", "check", mirror)["locks"][0]["problems"]
    assert packed(kept.user("gc"), kept.project, tmp_path / "a.tar", FPACK_KEPT=str(mirror)) == kept.wanted
    kept.fpack("mirror", "gc", mirror, "--drop", left["id"][:6])
    assert not list((mirror / "blobs" / "sha256").iterdir())


def test_a_bundle_packs_offline(kept: Kept, tmp_path: Path) -> None:
    bundle = tmp_path / "app.bundle"
    link = tmp_path / "result"
    kept.fpack("build", "#data", "-o", link, cwd=kept.project)
    made = kept.json("bundle", bundle, "--store", link)
    assert made["paths"] and made["bytes"] == bundle.stat().st_size
    assert "already exists" in kept.fpack.fails("bundle", bundle, cwd=kept.project)
    shutil.copytree(kept.project, tmp_path / "project")
    (tmp_path / "project" / "data.txt").unlink()
    as_file = kept.user("file")
    assert packed(as_file, tmp_path / "project", tmp_path / "a.tar", "--offline", FPACK_KEPT=str(bundle)) == kept.wanted
    written = kept.json("bundle", "--unpack", bundle, "-o", tmp_path / "mirror")["written"]
    assert [Path(path).name for path in written] == ["fpack.lock", "paths.closure"]
    assert (tmp_path / "mirror" / "fpack.lock").read_text() == (kept.project / "fpack.lock").read_text()
    other = kept.user("unpacked")
    mirror = f"kept={tmp_path}/mirror only"
    assert packed(other, tmp_path / "project", tmp_path / "b.tar", "--offline", FPACK_MIRROR=mirror) == kept.wanted
    imported = other("store", "import", tmp_path / "mirror" / "paths.closure").stdout
    assert imported.strip() in made["paths"]
    assert "already exists" in kept.fpack.fails("bundle", "--unpack", bundle, "-o", tmp_path / "mirror")


def test_a_file_that_is_no_bundle(kept: Kept, tmp_path: Path) -> None:
    bad = tmp_path / "bad.bundle"
    bad.write_bytes(b"no tar archive" * 1000)
    assert "not a bundle" in kept.fpack.fails("bundle", "--unpack", bad)
    assert not (tmp_path / "bad").exists()
    message = kept.user("bad").fails("pack", cwd=kept.project, env={"FPACK_KEPT": str(bad)})
    assert "not a bundle" in message


def test_offline_a_registry_is_not_asked(kept: Kept) -> None:
    assert "fpack is offline" in kept.fpack.fails("--offline", "mirror", "list", "registry.invalid/a/b")
    assert "is not the address of a mirror" in kept.fpack.fails("mirror", "list", "nowhere")
    assert "must have TLS" in kept.fpack.fails("mirror", "list", "http://registry.invalid/a/b")


def test_a_check_of_a_wrong_address_fails(tmp_path: Path) -> None:
    found = CliRunner().invoke(check.command, [str(tmp_path / "none")], standalone_mode=False)
    assert (found.return_value, found.output) == (1, "The mirror keeps no lock.\n")
