"""`fpack sbom` and `fpack pack --sbom` as people run them: what a bill says of an image, always in the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support.processes.callers import caller, give
from support.processes.program import Fpack
from support.reports.billed import DATE, Billed, archive_of_bills, billed, billed_by

LIBRARY = (
    "pkg:deb/debian/libshared1@1:2.0%2Bdfsg~rc1-1%2Bb2?arch=amd64&distro=trixie&upstream=shared%401:2.0%2Bdfsg~rc1-1"
)
SOURCE = "pkg:deb/debian/shared@1:2.0%2Bdfsg~rc1-1?arch=source&distro=trixie"
APP = "pkg:deb/debian/app@1.0-1?arch=amd64&distro=trixie&upstream=shared%401:2.0%2Bdfsg~rc1-1"

EVERY = "cyclonedx-1.6,cyclonedx-1.7,spdx-2.3,spdx-3.0.1,legal-sources"


@pytest.fixture(scope="module", name="project")
def billed_project(tmp_path_factory: pytest.TempPathFactory) -> Billed:
    return billed(tmp_path_factory.mktemp("billed") / "home")


@pytest.fixture(scope="module")
def document(project: Billed) -> dict[str, Any]:
    return project.document("cyclonedx-1.6")


def components(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["bom-ref"]: component for component in document["components"]}


def properties(component: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in component["properties"]}


def depends(document: dict[str, Any]) -> dict[str, list[str]]:
    return {row["ref"]: row["dependsOn"] for row in document["dependencies"]}


def test_a_rebuilt_package_and_its_source_are_both_told(document: dict[str, Any]) -> None:
    found = components(document)
    library, source = found[LIBRARY], found[SOURCE]
    assert library["purl"] == LIBRARY and source["purl"] == SOURCE
    assert (library["version"], source["version"]) == ("1:2.0+dfsg~rc1-1+b2", "1:2.0+dfsg~rc1-1")
    assert library["cpe"] == source["cpe"] == r"cpe:2.3:a:*:shared:2.0\+dfsg\~rc1:*:*:*:*:*:*:*"
    assert library["scope"] == "required" and source["scope"] == "excluded"
    ancestors = [item["purl"] for item in library["pedigree"]["ancestors"]]
    assert ancestors == [
        SOURCE,
        "pkg:deb/debian/other@1:1%2Bx?arch=source&distro=trixie",
        "pkg:deb/debian/tool-chain@3.1-2?arch=source&distro=trixie",
    ]
    assert set(ancestors) <= found.keys()
    about = properties(library)
    assert about["syft:metadata:sourceVersion"] == "1:2.0+dfsg~rc1-1"
    names = ("SrcName", "SrcEpoch", "SrcVersion", "SrcRelease")
    assert [about[f"aquasecurity:trivy:{name}"] for name in names] == ["shared", "1", "2.0+dfsg~rc1", "1"]


def test_a_package_has_its_digests_people_and_pages(project: Billed, document: dict[str, Any]) -> None:
    (deb,) = project.archive.folder.glob("debian/pool/**/libshared1_*.deb")
    library = components(document)[LIBRARY]
    data = deb.read_bytes()
    hashes = {item["alg"]: item["content"] for item in library["hashes"]}
    assert hashes == {"SHA-256": hashlib.sha256(data).hexdigest(), "SHA-512": hashlib.sha512(data).hexdigest()}
    assert library["supplier"] == {"name": "Nobody", "contact": [{"email": "nobody@example.org"}]}
    references = {item["type"]: item["url"] for item in library["externalReferences"]}
    assert references["website"] == "https://shared.example.org/"
    assert references["distribution"].endswith("/pool/main/l/libshared1/" + deb.name)
    assert properties(library)["bsi:component:filename"] == deb.name
    assert properties(library)["fpack:size"] == str(len(data))


def test_licences_are_those_of_the_copyright_file(project: Billed, document: dict[str, Any]) -> None:
    """The copyright file of the program is a link to that of the library."""
    found = components(document)
    declared = [{"expression": "GPL-2.0-or-later", "acknowledgement": "declared"}]
    assert found[LIBRARY]["licenses"] == found[APP]["licenses"] == found[SOURCE]["licenses"] == declared
    assert "2020 Ann Author" in found[APP]["copyright"]
    assert found[LIBRARY]["authors"] == [{"name": "Ann Author", "email": "ann@example.org"}]
    assert properties(found[LIBRARY])["bsi:component:effectiveLicense"] == "GPL-2.0-or-later"
    assert all(file["licenses"] == declared for file in found[APP]["components"])
    reference = found["pkg:deb/debian/dash@1.0?arch=amd64&distro=trixie"]
    (licence,) = reference["licenses"]
    assert licence["expression"] == "LicenseRef-debian-dash-1"
    (text,) = reference["evidence"]["licenses"]
    assert (
        text["license"]["name"] == "LicenseRef-debian-dash-1" and "Public domain" in text["license"]["text"]["content"]
    )
    newer = components(project.document("cyclonedx-1.7"))["pkg:deb/debian/dash@1.0?arch=amd64&distro=trixie"]
    assert [item["acknowledgement"] for item in newer["licenses"]] == ["declared", "concluded"]
    (detail,) = newer["licenses"][0]["expressionDetails"]
    assert detail["licenseIdentifier"] == "LicenseRef-debian-dash-1" and "Public domain" in detail["text"]["content"]
    assert "evidence" not in newer


def test_dependencies_are_what_is_loaded(document: dict[str, Any]) -> None:
    edges = depends(document)
    dash = "pkg:deb/debian/dash@1.0?arch=amd64&distro=trixie"
    assert edges[APP] == [dash, LIBRARY] and edges[LIBRARY] == []
    subject = document["metadata"]["component"]["bom-ref"]
    reached, todo = set(), [subject]
    while todo:
        ref = todo.pop()
        reached.add(ref)
        todo += [end for end in edges[ref] if end not in reached]
    inside = {ref for ref, found in components(document).items() if found["scope"] == "required"}
    assert inside - reached == {"os:debian@13"}


def test_every_file_and_link_is_in_the_component_that_it_comes_from(project: Billed, document: dict[str, Any]) -> None:
    packed = project.fpack.pack("-o", project.fpack.home / "files.tar", cwd=project.project)
    manifest = json.loads(Path(packed["manifest"]).read_bytes())
    entries = {
        entry["path"]: entry
        for layer in manifest["layers"]
        for entry in layer["entries"]
        if entry["kind"] != "directory" and isinstance(entry["path"], str)
    }
    everything = [document["metadata"]["component"], *document["components"]]
    files = {file["name"]: file for component in everything for file in component.get("components", ())}
    odd = "/usr/share/app/\\xff\\xfe"
    assert files.keys() - {odd} == entries.keys()
    for path, entry in entries.items():
        if entry["kind"] == "file":
            hashes = {item["alg"]: item["content"] for item in files[path]["hashes"]}
            assert hashes["SHA-256"] == entry["sha256"] and len(hashes["SHA-512"]) == 128
    assert properties(files[odd])["fpack:path-bytes"] == b"usr/share/app/\xff\xfe".hex()
    own = {file["name"] for file in components(document)[APP]["components"]}
    assert {"/usr/bin/app", odd, "/usr/share/doc/app", "/var/lib/dpkg/status.d/app"} <= own
    assert properties(files["/usr/share/doc/app"])["fpack:link-target"] == "libshared1"
    kinds = {
        name: tuple(properties(files[f"/usr/{name}"])[f"bsi:component:{key}"] for key in ("executable", "archive"))
        for name in ("bin/app", "share/app/data.zip", "share/app/packed.gz", "lib/x86_64-linux-gnu/libshared.so.1")
    }
    assert kinds == {
        "bin/app": ("executable", "no archive"),
        "share/app/data.zip": ("non-executable", "archive"),
        "share/app/packed.gz": ("non-executable", "archive"),
        "lib/x86_64-linux-gnu/libshared.so.1": ("executable", "no archive"),
    }
    assert "/etc/motd" in {file["name"] for file in document["metadata"]["component"]["components"]}


def test_the_image_and_its_system_are_told(project: Billed, document: dict[str, Any]) -> None:
    subject = document["metadata"]["component"]
    packed = project.fpack.pack("-o", project.fpack.home / "told.tar", cwd=project.project)
    assert subject["purl"] == f"pkg:oci/billed@{packed['digest']}?arch=amd64&tag=1.0"
    assert (subject["type"], subject["name"], subject["version"]) == ("container", "billed", "1.0")
    system = components(document)["os:debian@13"]
    assert (system["type"], system["name"], system["version"]) == ("operating-system", "debian", "13")
    assert system["cpe"] == "cpe:2.3:o:debian:debian_linux:13:*:*:*:*:*:*:*"
    assert document["metadata"]["timestamp"] == "2026-09-21T14:13:20Z" and DATE == 1_790_000_000
    built = [found for ref, found in components(document).items() if ref.startswith("path:")]
    assert {(found["name"], found.get("version")) for found in built} == {("data", None), ("note", "1.5")}


def test_what_is_complete_is_claimed_and_no_more(document: dict[str, Any]) -> None:
    complete, unknown = document["compositions"]
    subject = document["metadata"]["component"]["bom-ref"]
    assert complete["aggregate"] == "complete" and unknown["aggregate"] == "unknown"
    with_files = {ref for ref, found in components(document).items() if "components" in found}
    assert set(complete["assemblies"]) == {subject, *with_files} and complete["dependencies"] == [subject]
    assert SOURCE in unknown["assemblies"] and LIBRARY in unknown["dependencies"]


def test_the_supplier_is_told_if_someone_names_one(project: Billed, document: dict[str, Any]) -> None:
    assert "supplier" not in document["metadata"]
    named = project.document("cyclonedx-1.6", "--supplier", "A Shop <shop@example.org>")
    wanted = {"name": "A Shop", "contact": [{"email": "shop@example.org"}]}
    assert named["metadata"]["supplier"] == named["metadata"]["component"]["supplier"] == wanted
    assert named["metadata"]["authors"] == [{"name": "A Shop", "email": "shop@example.org"}]
    assert named["serialNumber"] != document["serialNumber"]
    # The image's supplier supplies also what the image was built from, but not Debian's packages.
    own = {ref for ref, found in components(named).items() if found != components(document)[ref]}
    assert own == {ref for ref in components(named) if ref.startswith("path:")} and own
    assert all(components(named)[ref]["supplier"] == wanted for ref in own)
    spdx = project.document("spdx-2.3", "--supplier", "A Shop <shop@example.org>")
    assert "A Shop (shop@example.org)" in spdx["creationInfo"]["creators"][0]


def test_the_image_is_its_own_manifest_with_both_digests(project: Billed, tmp_path: Path) -> None:
    project.fpack("pack", "--sbom", "--format", "oci-dir", "-o", tmp_path / "layout", cwd=project.project)
    (image,) = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    name = str(image["digest"]).removeprefix("sha256:")
    data = (tmp_path / "layout/blobs/sha256" / name).read_bytes()
    subject = project.document("cyclonedx-1.6")["metadata"]["component"]
    assert {row["alg"]: row["content"] for row in subject["hashes"]} == {
        "SHA-256": name,
        "SHA-512": hashlib.sha512(data).hexdigest(),
    }
    assert properties(subject)["bsi:component:filename"] == name


def test_the_system_has_the_licences_of_its_packages(document: dict[str, Any]) -> None:
    found = components(document)
    (system,) = [ref for ref, item in found.items() if item["type"] == "operating-system"]
    debs = [
        item["licenses"][0]["expression"]
        for ref, item in found.items()
        if "/debian/" in ref and "arch=source" not in ref
    ]
    (licence,) = found[system]["licenses"]
    assert licence["acknowledgement"] == "concluded"
    assert set(licence["expression"].split(" AND ")) == {term for text in debs for term in text.split(" AND ")}
    # Nobody states the licence of the files of the project, so nothing is concluded for the whole image.
    assert "licenses" not in document["metadata"]["component"]


def test_it_says_nothing_of_vulnerabilities(document: dict[str, Any]) -> None:
    assert "vulnerabilities" not in document and "vulnerab" not in json.dumps(document).lower()


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_the_validator_of_cyclonedx_accepts_it(project: Billed, version: str) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    text = project.fpack("sbom", "--format", f"cyclonedx-{version}", cwd=project.project).stdout
    assert validation.JsonStrictValidator(schema.SchemaVersion.from_version(version)).validate_str(text) is None


def test_two_machines_write_the_same_bytes(tmp_path: Path) -> None:
    """The users, stores, homes, projects, time zones, locales, hash seeds and umasks differ; each store is empty."""
    archive = archive_of_bills(tmp_path / "archive")
    found = []
    for who, umask, env in (
        ("root", 0o022, {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0"}),
        ("user", 0o002, {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7", "LANGUAGE": "de"}),
        ("root", 0o077, {"TZ": "America/St_Johns", "LC_ALL": "POSIX", "PYTHONHASHSEED": "random"}),
    ):
        with caller(who, archive) as fpack:
            elsewhere = fpack.home / f"a-directory-of-{len(found)}"
            elsewhere.mkdir()
            project = billed_by(fpack, archive)
            give(fpack, fpack.home)
            before = os.umask(umask)
            try:
                fpack(
                    *("sbom", "--format", EVERY, "-o", "bills"),
                    cwd=project.project,
                    env=env | {"FPACK_ROOT": str(elsewhere / "root"), "TMPDIR": str(elsewhere)},
                )
            finally:
                os.umask(before)
            lock = (project.project / "fpack.lock").read_bytes()
            found.append((lock, {path.name: path.read_bytes() for path in (project.project / "bills").iterdir()}))
    assert found[0] == found[1] == found[2] and len(found[0][1]) == 5


def test_the_bill_leaves_the_image_as_it_is_and_is_attached_to_it(project: Billed, tmp_path: Path) -> None:
    plain = project.fpack.pack("-o", tmp_path / "plain.tar", cwd=project.project)
    formats = "--sbom=cyclonedx-1.6,legal,spdx-2.3"
    billed = project.fpack.pack(formats, "-o", tmp_path / "image.tar", cwd=project.project)
    assert billed["digest"] == plain["digest"] and billed["image_id"] == plain["image_id"]
    assert Path(plain["manifest"]).read_bytes() == Path(billed["manifest"]).read_bytes()
    names = ["image.cyclonedx-1.6.json", "image.legal.tar", "image.spdx-2.3.json"]
    assert [Path(path).name for path in billed["sbom"]] == names
    with tarfile.open(tmp_path / "image.tar") as tar:
        files = {info.name: tar.extractfile(info).read() for info in tar if info.isfile()}  # type: ignore[union-attr]
    with tarfile.open(tmp_path / "plain.tar") as tar:
        assert set(tar.getnames()) <= files.keys() | {"blobs", "blobs/sha256", *tar.getnames()}
    entries = json.loads(files["fpack-referrers.json"])["manifests"]
    types = {entry["artifactType"]: entry for entry in entries}
    assert len(types) == len(entries) == 3
    for name, media_type in ((names[0], "application/vnd.cyclonedx+json"), (names[2], "application/spdx+json")):
        artifact = json.loads(files[f"blobs/{types[media_type]['digest'].replace(':', '/')}"])
        assert artifact["subject"]["digest"] == plain["digest"] and artifact["artifactType"] == media_type
        (layer,) = artifact["layers"]
        assert layer["mediaType"] == media_type
        assert files[f"blobs/{layer['digest'].replace(':', '/')}"] == (tmp_path / name).read_bytes()


def test_an_unchanged_bill_is_not_made_again(project: Billed, tmp_path: Path) -> None:
    project.fpack.pack("--sbom", "-o", tmp_path / "image.tar", cwd=project.project)
    store = project.fpack.home / "store"
    before = {path.name for path in (store / "store").iterdir()}
    packed = project.fpack.pack(
        "--sbom", "-o", tmp_path / "again.tar", cwd=project.project, env={"FPACK_MIRROR": "debian=file:///nowhere only"}
    )
    assert {path.name for path in (store / "store").iterdir()} == before
    assert [Path(path).name for path in packed["sbom"]] == ["again.cyclonedx-1.6.json"]


def test_a_layout_and_several_images_get_their_bills(project: Billed, tmp_path: Path) -> None:
    packed = project.fpack.pack("--format", "oci-dir", "--sbom", "-o", tmp_path / "layout", cwd=project.project)
    assert [Path(path).name for path in packed["sbom"]] == ["layout.cyclonedx-1.6.json"]
    assert "cyclonedx" in (tmp_path / "layout" / "fpack-referrers.json").read_text()
    both = project.fpack.pack("image", "debian.trixie.dash", "--sbom", "-o", tmp_path / "several", cwd=project.project)
    names = [Path(path).name for image in both["images"] for path in image["sbom"]]
    assert names == ["billed.cyclonedx-1.6.json", "dash.cyclonedx-1.6.json"]


def test_a_package_has_a_bill_without_a_project(project: Billed, tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home", project.archive)
    out = tmp_path / "app.json"
    done = fpack("sbom", "debian.trixie.app", "-o", out, "--json")
    assert json.loads(done.stdout) == {"files": [{"format": "cyclonedx-1.6", "file": str(out)}]}
    assert APP in components(json.loads(out.read_bytes()))


def test_the_formats_tell_the_same(project: Billed, document: dict[str, Any]) -> None:
    """Every format has the same packages with the same digests, and the same files."""
    spdx = project.document("spdx-2.3")
    purls = {
        reference["referenceLocator"]: package
        for package in spdx["packages"]
        for reference in package.get("externalRefs", ())
        if reference["referenceType"] == "purl"
    }
    assert purls.keys() == {found["purl"] for found in components(document).values() if "purl" in found} | {
        document["metadata"]["component"]["purl"]
    }
    sums = {item["algorithm"]: item["checksumValue"] for item in purls[LIBRARY]["checksums"]}
    hashes = {item["alg"].replace("-", ""): item["content"] for item in components(document)[LIBRARY]["hashes"]}
    assert sums == hashes
    newer = project.document("spdx-3.0.1")
    found = {item.get("software_packageUrl") for item in newer["@graph"]} - {None}
    assert found == purls.keys()
    rows = project.fpack("sbom", "--format", "legal", "-o", "legal.tar", cwd=project.project).stdout
    with tarfile.open(project.project / rows.strip()) as tar:
        table = tar.extractfile("packages.csv").read().decode()  # type: ignore[union-attr]
    assert "\nlibshared1,1:2.0+dfsg~rc1-1+b2,amd64," in table.replace("\r", "")


def test_wrong_options_are_told(project: Billed) -> None:
    def fails(*args: str) -> str:
        return project.fpack.fails(*args, cwd=project.project)

    message = fails("sbom", "--format", "cyclonedx-9")
    assert "'cyclonedx-9' is not a format" in message and "cyclonedx-1.6" in message
    assert "write one of them" in fails("sbom", "--format", "legal,legal-sources")
    assert "add -o PATH" in fails("sbom", "--format", "cyclonedx-1.6,cyclonedx-1.7")
    assert "-o - is not a file" in fails("sbom", "-o", "-") and not (project.project / "-").exists()
    assert "there is no directory none" in fails("sbom", "-o", "none/bill.json")
    assert "fpack.fp is not a directory" in fails("sbom", "--format", "cyclonedx-1.6,spdx-2.3", "-o", "fpack.fp")
    assert "put --sbom without a format after WHAT" in fails("pack", "--sbom", "image")
    assert "leave out --no-manifest" in fails("pack", "image", "--no-manifest", "--sbom")
    assert "write the image as a tar" in fails("pack", "image", "--format", "rootfs-tar", "--sbom")
