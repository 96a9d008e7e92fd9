"""Test `ubuntu.RELEASE.NAME` in the commands, over a signed test archive as Ubuntu's, which has SHA-512 alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.manifest.format import LockPart
from support.archives.archive import Archive, UbuntuArchive, clearsign, file, signing_key, write_keyring
from support.images.forge import Forgery
from support.processes.program import Fpack, world
from support.reports.vulnerabilities import affected, document
from support.servers.rebuilders import Rebuilders, locked

PROJECT = """
ubuntu = import("fpack/ubuntu").noble
image = container {
  name = "greeter"
  packages = [ubuntu.hello, ubuntu.extra]
  closure = "linked"
  entrypoint = ["/usr/bin/hello"]
}
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    archive = world(tmp_path_factory.mktemp("mirror"), UbuntuArchive)
    archive.add(
        "extra", "1.0-1", component="universe", depends="hello", files={"usr/bin/extra": file("#!/bin/sh\n", 0o755)}
    )
    archive.add("libgreet1", "2:1.0-1ubuntu1", suite="noble-updates", files={"usr/share/greet/words": "Hello\n"})
    archive.add("dash", "1.1", suite="noble-security", files={"usr/bin/sh": file("#!shell", 0o755)})
    archive.add("some-dev", component="universe", files={"usr/include/some.h": "\n"})
    archive.publish(contents=True)
    return archive


@pytest.fixture
def project(fpack: Fpack, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "fpack.fp").write_text(PROJECT)
    yield tmp_path


def verified(fpack: Fpack, *args: str | Path, **options: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(fpack("verify", "--json", *args, **options).stdout)
    return value


def test_a_package_packs_and_verifies(fpack: Fpack, archive: Archive, tmp_path: Path) -> None:
    packed = fpack.pack("ubuntu.noble.hello", "-o", "hello.tar", cwd=tmp_path)
    found = verified(fpack, "hello.tar", cwd=tmp_path)
    assert found["success"] and found["differences"] == found["unchecked"] == [] and found["digest"] == packed["digest"]
    (image,) = found["images"]
    assert image["packages"] and all(p["compared"] == "deb" and p["signed"] for p in image["packages"])
    assert {p["package"]: p["suite"] for p in image["packages"]}["libgreet1"] == "noble-updates"
    assert all(p["deb"].startswith("sha512:") for p in image["packages"])
    assert packed["tag"] == "2.10-3"


def test_a_project_of_both_components_packs_verifies_and_rebuilds(
    fpack: Fpack, archive: Archive, project: Path, tmp_path: Path
) -> None:
    packed = fpack.pack("-o", "image.tar", cwd=project)
    lock = (project / "fpack.lock").read_text()
    assert lock.startswith("fpack-lock 2\n") and "sha256=" not in lock.replace("suite ", "").partition("index")[2]
    assert "index noble noble/universe amd64 sha512=" in lock and "archive=ubuntu" in lock
    assert "index noble noble-updates amd64 sha512=" in lock and " packed-sha512=" in lock
    found = verified(fpack, "image.tar", "--rebuild", cwd=project)
    assert found["success"] and found["differences"] == [] and found["digest"] == packed["digest"]
    names = {p["package"]: p["suite"] for p in found["images"][0]["packages"]}
    assert names["extra"] == "noble" and set(names) >= {"hello", "extra", "base-files"}
    assert fpack.pack("--frozen", "-o", "again.tar", cwd=project)["digest"] == packed["digest"]


def test_an_empty_store_rebuilds_it(fpack: Fpack, archive: Archive, project: Path, tmp_path: Path) -> None:
    packed = fpack.pack("-o", "image.tar", cwd=project)
    other = Fpack(tmp_path / "other", archive)
    found = verified(other, project / "image.tar", "--rebuild", cwd=other.home)
    assert found["success"] and found["digest"] == packed["digest"]


def test_the_bill_names_the_distribution_and_both_digests(fpack: Fpack, archive: Archive, project: Path) -> None:
    bill = json.loads(fpack("sbom", "--format", "cyclonedx-1.6", cwd=project).stdout)
    (hello,) = [c for c in bill["components"] if c["name"] == "hello" and "arch=source" not in c["purl"]]
    assert hello["purl"] == "pkg:deb/ubuntu/hello@2.10-3?arch=amd64&distro=noble"
    deb = next(archive.folder.glob("ubuntu/pool/main/h/hello/*.deb")).read_bytes()
    digests = {entry["alg"]: entry["content"] for entry in hello["hashes"]}
    assert digests["SHA-256"] == hashlib.sha256(deb).hexdigest()
    assert digests["SHA-512"] == hashlib.sha512(deb).hexdigest()
    assert "mirror://" not in json.dumps(bill)
    (source,) = [c for c in bill["components"] if "arch=source" in c.get("purl", "") and c["name"] == "hello"]
    assert source["purl"].startswith("pkg:deb/ubuntu/hello@2.10-3?arch=source")


def test_a_file_is_traced_to_the_index(fpack: Fpack, project: Path) -> None:
    fpack.pack("-o", "image.tar", cwd=project)
    found = json.loads(fpack("trace", "/usr/bin/extra", "image.tar", "--json", cwd=project).stdout)
    assert found["package"]["name"] == "extra" and found["package"]["sha512"] and not found["package"]["sha256"]
    assert found["index"]["file"] == "universe/binary-amd64/Packages.xz" and found["index"]["checked"]
    text = fpack("trace", "/usr/bin/extra", "image.tar", cwd=project).stdout
    assert "universe/binary-amd64/Packages.xz" in text and "sha512 " in text


def test_vulnerabilities_are_those_of_the_release(fpack: Fpack, project: Path) -> None:
    """OSV names the release by its number. The lock of an archive without SHA-256 has the SHA-512 of each .deb."""
    documents = [
        document(
            f"UBUNTU-CVE-2026-{number}", affected(f"Ubuntu:{release}", "hello", ("introduced", "0"), ("fixed", "3"))
        )
        for number, release in ((1111, "24.04:LTS"), (2222, "22.04:LTS"))
    ]
    (project / "osv.json").write_text(json.dumps(documents))
    fpack.pack("-o", "image.tar", cwd=project)
    (found,) = json.loads(fpack("audit", "image.tar", "--data", "osv.json", "--json", cwd=project).stdout)["images"]
    assert [item["id"] for item in found["findings"]] == ["UBUNTU-CVE-2026-1111"] and found["complete"]
    product = found["findings"][0]["product"]
    assert (product["ecosystem"], product["release"]) == ("Ubuntu", "noble")
    (binary,) = product["binaries"]
    assert binary["sha256"] == "" and len(binary["sha512"]) == 128


def test_rebuilders_are_asked_about_ubuntu(fpack: Fpack, project: Path) -> None:
    fpack.pack("-o", "image.tar", cwd=project)
    packages = locked(project / "image.manifest.json")
    with Rebuilders(project / "rebuilders") as server:
        policy = server.policy_of(project / "image.manifest.json")
        server.failed(packages[0])
        done = fpack("rebuilders", "show", "image.tar", "--policy", policy, "--json", cwd=project, status=1)
    found = {item["name"]: item for item in json.loads(done.stdout)["packages"]}
    assert {name: item["verdict"] for name, item in found.items()} == {
        about.name: "refused" if about is packages[0] else "reproduced" for about in packages
    }
    assert all(item["sha256"] == "" and len(item["sha512"]) == 128 for item in found.values())


def test_files_of_all_components_are_found(fpack: Fpack, tmp_path: Path) -> None:
    found = json.loads(fpack("search", "-r", "noble", "--file", "some.h", "--json", cwd=tmp_path).stdout)
    assert found["files"] == [{"path": "/usr/include/some.h", "packages": ["some-dev"]}]


def test_other_commands_know_ubuntu(fpack: Fpack, tmp_path: Path) -> None:
    shown = json.loads(fpack("show", "ubuntu.noble.extra", "--json", cwd=tmp_path).stdout)
    assert shown["target"] == "ubuntu.noble.extra" and shown["archive"] == "ubuntu" and len(shown["sha512"]) == 128
    found = json.loads(fpack("search", "-r", "noble", "extra", "--json", cwd=tmp_path).stdout)
    assert [entry["target"] for entry in found["packages"]] == ["ubuntu.noble.extra"]
    added = json.loads(fpack("lock", "ubuntu.noble.extra", "--json", cwd=tmp_path).stdout)["added"]
    assert all(entry["release"] == "noble" for entry in added)
    assert fpack("update", "noble", "--json", cwd=tmp_path).returncode == 0
    error = fpack.fails("show", "debian.noble.hello", cwd=tmp_path)
    assert "noble is not a release of Debian" in error and "ubuntu.noble.hello" in error
    assert "as in ubuntu.noble." in fpack.fails("show", "ubuntu.noble", cwd=tmp_path)


def test_the_keys_and_the_mirror_are_checked(fpack: Fpack, tmp_path: Path) -> None:
    checks = json.loads(fpack("doctor", "--json", cwd=tmp_path, status=None).stdout)["checks"]
    assert any(fpack.env["FPACK_UBUNTU_KEYRING"] in check["text"] for check in checks if check["name"] == "keyring")
    assert any("noble-updates" in check["text"] for check in checks if check["name"] == "mirror")


def test_packages_of_both_distributions_are_not_mixed(fpack: Fpack, tmp_path: Path) -> None:
    text = PROJECT.replace("ubuntu.extra]", 'import("fpack/debian").trixie.hello]')
    (tmp_path / "fpack.fp").write_text(text)
    mirrors = f"{fpack.env['FPACK_MIRROR']}"
    debian = world(tmp_path / "debian")
    env = {"FPACK_MIRROR": f"{mirrors} {debian.mirror}", "FPACK_KEYRING": str(debian.keyring)}
    error = fpack.fails("pack", cwd=tmp_path, env=env)
    assert "noble and trixie" in error and "fpack.fp:" in error


def test_without_a_mirror_it_is_told_what_to_set(fpack: Fpack, tmp_path: Path) -> None:
    env = {"FPACK_MIRROR": "debian=file:///nowhere only"}
    error = fpack.fails("pack", "ubuntu.questing.hello", cwd=tmp_path, env=env)
    assert "No mirror is known for questing" in error and "FPACK_MIRROR='ubuntu=URL'" in error


def changed(tar: Path, change: Callable[[LockPart], LockPart]) -> Path:
    """Return the image with another lock in its manifest."""
    forgery = Forgery(tar)
    forgery.head = forgery.head._replace(lock=change(forgery.head.lock))
    return forgery.save(tar.with_name("changed.tar"))


@pytest.mark.parametrize("part", ["package", "index", "packed"])
def test_a_manifest_with_another_digest_is_refused(fpack: Fpack, project: Path, part: str) -> None:
    fpack.pack("-o", "image.tar", cwd=project)
    wrong = "b2" * 64

    def change(lock: LockPart) -> LockPart:
        if part == "package":
            rows = tuple(p._replace(sha512=wrong) if p.name == "hello" else p for p in lock.packages)
            return lock._replace(packages=rows)
        field = {"index": "sha512", "packed": "packed_sha512"}[part]
        return lock._replace(indexes=tuple(index._replace(**{field: wrong}) for index in lock.indexes))

    found = verified(fpack, changed(project / "image.tar", change), cwd=project, status=None)
    assert not found["success"]
    if part == "index":  # the text with that digest exists nowhere
        assert not any(package["signed"] for package in found["images"][0]["packages"])
    else:
        assert wrong in json.dumps(found["differences"])


def test_a_manifest_that_adds_a_digest_is_refused(fpack: Fpack, project: Path) -> None:
    """Each digest that a lock has must be signed: none can be made up beside the signed one."""
    fpack.pack("-o", "image.tar", cwd=project)

    def change(lock: LockPart) -> LockPart:
        return lock._replace(indexes=tuple(index._replace(packed_sha256="a1" * 32) for index in lock.indexes))

    found = verified(fpack, changed(project / "image.tar", change), cwd=project, status=1)
    assert "does not list" in json.dumps(found["differences"])


def test_an_image_whose_index_another_distribution_signed_is_not_its_own(
    fpack: Fpack, archive: Archive, project: Path
) -> None:
    fpack.pack("-o", "image.tar", cwd=project)
    cache = Path(fpack.env["HOME"], ".cache/fpack/debian")
    lines = archive.inrelease("noble").read_text().split("\n")
    text = "\n".join(lines[lines.index("") + 1 : lines.index("-----BEGIN PGP SIGNATURE-----")]) + "\n"
    data = clearsign(text, signing_key())
    sha256 = hashlib.sha256(data).hexdigest()
    (cache / f"{sha256}.InRelease").write_bytes(data)

    def change(lock: LockPart) -> LockPart:
        rows = tuple(suite._replace(sha256=sha256) if suite.suite == "noble" else suite for suite in lock.suites)
        return lock._replace(suites=rows)

    keyring = write_keyring(project / "debian.pgp", signing_key())
    image = changed(project / "image.tar", change)
    found = verified(fpack, image, cwd=project, status=1, env={"FPACK_KEYRING": str(keyring)})
    assert "no valid signature" in json.dumps(found["differences"])
