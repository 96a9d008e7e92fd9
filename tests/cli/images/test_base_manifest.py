"""Containers on an image of fpack: the manifest in the base's registry tells of which packages its files are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.archives.archive import Archive
from support.images.based_images import Lower, copy_of, push_lower, write_upper
from support.images.patching import change_manifest, patch
from support.processes.program import Fpack
from support.reports.vulnerabilities import entry, state
from support.servers.registry import Registry

LOWER = """
debian = import("fpack/debian").trixie
image = container {
  name = "lower", tag = "1", packages = [debian.hello], closure = "linked", env = { TOOL = "${tool}" }
  wants = ["/usr/share/greet/words"], files = { "/srv/lower" = { text = "lower" } }
}
tool = text("tool-1.5", "a tool\\n")
"""
TRACKER = {"hello": {"CVE-2026-0001": entry(trixie=state())}}


@pytest.fixture(scope="module")
def upper(pushed: Lower, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fpack, Path]]:
    """Yield a user with a packed project on the base. Tests add files alone."""
    place = tmp_path_factory.mktemp("upper")
    with copy_of(pushed, place / "home") as copied:
        folder = write_upper(place / "upper", copied.base)
        copied.fpack("pack", cwd=folder)
        yield copied.fpack, folder


@pytest.mark.parametrize("api", [True, False])
def test_files_of_the_base_are_of_its_packages_and_builds(lower: Lower, tmp_path: Path, api: bool) -> None:
    fpack, registry, base = lower
    registry.api = api
    upper = write_upper(tmp_path / "upper", base)
    fpack("pack", "--sbom", cwd=upper)
    own = json.loads((upper / "upper.manifest.json").read_text())["base"]["own"]
    head = own["head"]
    registry.clear()
    assert {"hello", "libgreet1", ""} < {*own["owners"]}

    chain = json.loads(fpack("why", "upper.tar", "libgreet1", "--json", cwd=upper).stdout)
    assert [link["kind"] for link in chain["libgreet1"]][0] == "base"
    told = fpack("why", "upper.tar", "/usr/bin/hello", cwd=upper).stdout
    assert "hello 2.10-3" in told and f"of the base {base}" in told and "/usr/bin/hello" in told
    assert f"of the base {base}" in fpack("why", "upper.tar", "tool", cwd=upper).stdout
    assert f"a file of the base {base}" in fpack("why", "upper.tar", "/srv/lower", cwd=upper).stdout

    traced = json.loads(fpack("trace", "/usr/bin/hello", "upper.tar", "--json", cwd=upper).stdout)
    assert traced["origin"]["kind"] == "package" and "-hello-" in traced["origin"]["path"]
    assert traced["origin"]["member"] == "data"
    (pin,) = [pin for pin in head["lock"]["packages"] if pin["name"] == "hello"]
    assert (traced["package"]["version"], traced["package"]["sha256"]) == ("2.10-3", pin["sha256"])
    assert traced["index"]["checked"] and traced["release"]["suite"] == "trixie"
    (built,) = [path["path"] for path in head["paths"] if path["path"].endswith("-tool-1.5")]
    assert json.loads(fpack("trace", built, "upper.tar", "--json", cwd=upper).stdout)["origin"]["kind"] == "built"

    bill = json.loads(fpack("sbom", "upper.tar", cwd=upper).stdout)
    parts = {part["name"]: part for part in bill["components"] if part.get("scope") == "required"}
    assert {"alg": "SHA-256", "content": pin["sha256"]} in parts["hello"]["hashes"]
    for part in (parts["hello"], parts["tool"]):
        assert {"name": "fpack:from-base", "value": base} in part["properties"]
    assert parts["tool"]["version"] == "1.5"

    (upper / "tracker.json").write_text(json.dumps(TRACKER))
    found = json.loads(fpack("audit", "upper.tar", "--data", "tracker.json", "--json", cwd=upper).stdout)
    assert "CVE-2026-0001" in json.dumps(found) and "are not known" not in json.dumps(found)
    assert "tool-1.5 of the base" in json.dumps(found)
    assert "self-consistent" in fpack("verify", "upper.tar", cwd=upper).stdout
    assert not registry.requests


def test_the_manifest_is_remembered_and_told_by_the_target_as_by_the_file(lower: Lower, tmp_path: Path) -> None:
    fpack, registry, base = lower
    upper = write_upper(tmp_path / "upper", base)
    fpack("pack", cwd=upper)
    registry.clear()
    fpack("pack", cwd=upper)
    assert not registry.requests
    told = fpack("why", "upper.tar", "hello", cwd=upper).stdout
    assert fpack("why", ".", "hello", cwd=upper).stdout == told and "of the base" in told


def test_a_base_of_a_base(lower: Lower, tmp_path: Path) -> None:
    fpack, registry, base = lower
    middle = write_upper(tmp_path / "middle", base)
    reference = f"{registry.host}/team/middle:1"
    fpack("pack", "--push", reference, "--plain-http", cwd=middle)
    upper = write_upper(tmp_path / "upper", f"{reference}@{registry.stored('team/middle').tags['1']}")
    file = upper / "fpack.fp"
    file.write_text(file.read_text().replace("/srv/app", "/srv/top"))
    fpack("pack", "--sbom", cwd=upper)
    assert "hello 2.10-3" in fpack("why", "upper.tar", "/usr/bin/hello", cwd=upper).stdout
    traced = json.loads(fpack("trace", "/usr/bin/hello", "upper.tar", "--json", cwd=upper).stdout)
    assert traced["package"]["version"] == "2.10-3" and traced["index"]["checked"]
    assert "self-consistent" in fpack("verify", "upper.tar", cwd=upper).stdout


def _other_content(values: list[Any]) -> None:
    row = next(row for row in values if isinstance(row, list) and row[0] == b"usr/bin/hello")
    row[7] = bytes(32)


def _other_layers(values: list[Any]) -> None:
    values[0]["layers"][0]["digest"] = f"sha256:{'0' * 64}"


def _without_a_package(values: list[Any]) -> None:
    for path in values[0]["paths"]:
        if path["package"] == "hello":
            path |= {"package": "libgreet1", "version": "2:1.0~rc1-1"}


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (_other_content, "it does not describe /usr/bin/hello as the layer has it"),
        (_other_layers, "its layers are not those of the base"),
        (_without_a_package, "it lacks the package hello 2.10-3 of the base's database"),
    ],
)
def test_a_manifest_that_the_layers_contradict_is_refused(
    lower: Lower, tmp_path: Path, lie: Callable[[list[Any]], None], why: str
) -> None:
    fpack, registry, base = lower
    change_manifest(registry.stored("team/lower"), lie)
    upper = write_upper(tmp_path / "upper", base)
    message = fpack.fails("pack", cwd=upper)
    assert "The manifest of the base contradicts its layers" in message and why in message
    fpack("pack", "--no-manifest", cwd=upper)
    told = fpack("why", ".", cwd=write_upper(tmp_path / "upper", base, "debian.dash"))
    assert "dash" in told.stdout and "of the base" not in told.stdout
    assert "warning: the base is left out" in told.stderr and why in told.stderr
    # A file of a build is found without the manifest, and one that is not there is no fault of the manifest.
    text = (upper / "fpack.fp").read_text()
    built = 'env = { NOTE = "${text("note", "some words")}" }\n  '
    (upper / "fpack.fp").write_text(text.replace("packages =", built + "packages ="))
    path = fpack("build", "-e", 'text("note", "some words")', "--no-link", cwd=upper).stdout.strip()
    found = fpack("why", ".", Path(path).name, cwd=upper)
    assert "note" in found.stdout and "warning: files of builds are those of their store paths" in found.stderr
    assert "is not in the image" in fpack.fails("why", ".", "/usr/bin/nothing", cwd=upper)


def _made_by_a_script(values: list[Any]) -> None:
    values[0]["claims"] |= {"configured": 1, "package": values[0]["claims"]["package"] - 1}
    row = next(row for row in values if isinstance(row, list) and row[0] == b"usr/bin/hello")
    row[10] = ["configured", "hello", "postinst", bytes(32)]


def test_a_file_that_a_script_may_have_made_is_of_no_member_of_a_deb(lower: Lower, tmp_path: Path) -> None:
    fpack, registry, base = lower
    change_manifest(registry.stored("team/lower"), _made_by_a_script)
    upper = write_upper(tmp_path / "upper", base)
    fpack("pack", cwd=upper)
    traced = json.loads(fpack("trace", "/usr/bin/hello", "upper.tar", "--json", cwd=upper).stdout)
    assert (traced["origin"]["kind"], traced["origin"]["member"]) == ("package", None)
    assert "by its .deb or by a maintainer script" in fpack("trace", "/usr/bin/hello", "upper.tar", cwd=upper).stdout


def _other_image(values: list[Any]) -> None:
    values[0]["image"]["manifest"]["digest"] = f"sha256:{'0' * 64}"


def _no_manifest(values: list[Any]) -> None:
    values[:] = ["nothing"]


@pytest.mark.parametrize(
    ("lie", "reason"),
    [(_other_image, "it is about the image sha256:0000"), (_no_manifest, "this is not a manifest that fpack can read")],
)
def test_a_manifest_about_something_else_is_told_and_not_used(
    lower: Lower, tmp_path: Path, lie: Callable[[list[Any]], None], reason: str
) -> None:
    fpack, registry, base = lower
    change_manifest(registry.stored("team/lower"), lie)
    upper = write_upper(tmp_path / "upper", base)
    told = fpack("pack", cwd=upper).stderr
    assert f"warning: the manifest of the base {base} is not used: {reason}" in told
    assert "own" not in json.loads((upper / "upper.manifest.json").read_text())["base"]


def _hide(base: dict[str, Any]) -> None:
    for path in base["own"]["head"]["paths"]:
        if path["package"] == "hello":
            path |= {"package": "libgreet1", "version": "2:1.0~rc1-1"}
    owners = base["own"]["owners"]
    left = [name for name in owners if name != "hello"]
    numbers = [left.index("libgreet1" if name == "hello" else name) for name in owners]
    base["own"]["owners"] = left
    base["own"]["files"] = [[[count, numbers[owner]] for count, owner in runs] for runs in base["own"]["files"]]


def _miscount(base: dict[str, Any]) -> None:
    base["own"]["files"][0][0][0] += 1


def _other_base(base: dict[str, Any]) -> None:
    base["own"]["head"]["image"]["manifest"]["digest"] = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_hide, "its own manifest lacks the package hello 2.10-3 of the base's database"),
        (_miscount, "the base's own manifest has another number of files in it"),
        (_other_base, "its own manifest is about another image"),
    ],
)
def test_verify_finds_a_record_that_contradicts_the_layers(
    upper: tuple[Fpack, Path], change: Callable[[dict[str, Any]], None], message: str
) -> None:
    fpack, folder = upper
    value = json.loads((folder / "upper.manifest.json").read_text())
    change(value["base"])
    (folder / "other.json").write_text(json.dumps(value))
    done = fpack("verify", "upper.tar", "--manifest", "other.json", cwd=folder, status=1)
    assert message in done.stdout + done.stderr


def test_a_patch_equals_a_full_build_and_keeps_what_is_known_of_the_base(
    fpack: Fpack, archive: Archive, tmp_path: Path
) -> None:
    archive.add("extra", "1.0", files={"usr/share/extra/words": "one\n"})
    archive.publish()
    with Registry() as registry:
        base = push_lower(fpack, registry, tmp_path / "lower", LOWER)
        upper = write_upper(tmp_path / "upper", base, "debian.extra")
        reference = f"{registry.host}/team/upper:1"
        fpack("pack", "--push", reference, "--plain-http", cwd=upper)
        archive.add("extra", "1.1", suite="trixie-security", files={"usr/share/extra/words": "two\n"})
        archive.publish()
        # A machine that has nothing of either image fetches all packages, and says why.
        (alone,) = patch(Fpack(tmp_path / "fresh", archive), reference, "--security", "--tag", "fresh")
        assert "it stands on another image" in alone["images"][0]["notes"][0]
        (result,) = patch(fpack, reference, "--security")
        (image,) = result["images"]
        assert [item["name"] for item in image["packages"]] == ["extra"] and image["layers"]["new"] == 1
        assert alone["images"][0]["new"] == image["new"]
        fpack("update", "--security", cwd=upper)
        full = f"{registry.host}/team/full:1"
        fpack("pack", "--push", full, "--plain-http", cwd=upper)
        assert registry.stored("team/full").tags["1"] == image["new"]
        for name in (reference, full, f"{registry.host}/team/upper:fresh"):
            assert "hello 2.10-3" in fpack("why", name, "/usr/bin/hello", "--plain-http").stdout
            assert "self-consistent" in fpack("verify", name, "--plain-http").stdout


def test_a_malformed_record_is_no_manifest(upper: tuple[Fpack, Path]) -> None:
    fpack, folder = upper
    text = (folder / "upper.manifest.json").read_text()
    changes: list[dict[str, Any]] = [
        {"owners": ["nobody"]},
        {"owners": "hello"},
        {"files": []},
        {"files": [[[1, 99]]] * len(json.loads(text)["base"]["own"]["files"])},
        {"files": [[["a", 0]]] * len(json.loads(text)["base"]["own"]["files"])},
        {"blob": {"media_type": "a", "digest": "b", "size": 1}},
        {"head": {"format": 9}},
        {"more": 1},
    ]
    for change in changes:
        value = json.loads(text)
        value["base"]["own"] |= change
        (folder / "other.json").write_text(json.dumps(value))
        message = fpack.fails("verify", "upper.tar", "--manifest", "other.json", cwd=folder)
        assert "not a manifest that fpack can read" in message, (change, message)
