"""The manifest of a base that was found before: it is left out, and told, where nobody has it any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.archives.archive import Archive
from support.images.based_images import Lower, push_lower, write_upper
from support.images.patching import ARTIFACT, patch
from support.processes.program import Fpack
from support.servers.registry import Registry, Stored

LOWER = """
image = container { name = "lower", tag = "1", packages = [import("fpack/debian").trixie.hello], closure = "linked" }
"""


def own(folder: Path) -> Any:
    """Return what the manifest beside the image has of the base's own manifest."""
    return json.loads((folder / "upper.manifest.json").read_text())["base"].get("own")


def artifact(stored: Stored) -> tuple[str, str]:
    """Return the digests of the artifact that holds the exact manifest, and of the manifest's blob."""
    (found,) = [
        (name, json.loads(data)["layers"][0]["digest"])
        for name, (_, data) in stored.manifests.items()
        if json.loads(data).get("artifactType") == ARTIFACT
    ]
    return found


def test_what_the_registry_deleted_is_left_out_once_the_store_lacks_it(lower: Lower, tmp_path: Path) -> None:
    fpack, registry, base = lower
    upper = write_upper(tmp_path / "upper", base)
    fpack("pack", cwd=upper)
    first = own(upper)
    stored = registry.stored("team/lower")
    document, blob = artifact(stored)
    del stored.manifests[document], stored.blobs[blob]
    fpack("pack", cwd=upper)
    assert own(upper) == first
    other = {"FPACK_ROOT": str(tmp_path / "other")}
    told = fpack("pack", cwd=upper, env=other).stderr
    assert f"warning: the manifest of the base {base} is not used: its registry no longer has it" in told
    assert own(upper) is None


def test_a_blob_that_only_its_artifact_survived_is_left_out(lower: Lower, tmp_path: Path) -> None:
    fpack, registry, base = lower
    upper = write_upper(tmp_path / "upper", base)
    fpack("pack", cwd=upper)
    stored = registry.stored("team/lower")
    _, blob = artifact(stored)
    del stored.blobs[blob]
    told = fpack("pack", cwd=upper, env={"FPACK_ROOT": str(tmp_path / "other")}).stderr
    assert f"warning: the manifest of the base {base} is not used: " in told
    assert own(upper) is None


def test_another_store_fetches_what_is_remembered(lower: Lower, tmp_path: Path) -> None:
    fpack, registry, base = lower
    upper = write_upper(tmp_path / "upper", base)
    fpack("pack", cwd=upper)
    first = own(upper)
    assert "not used" not in fpack("pack", cwd=upper, env={"FPACK_ROOT": str(tmp_path / "other")}).stderr
    assert own(upper) == first


def test_each_repository_of_a_base_is_asked(lower: Lower, tmp_path: Path) -> None:
    fpack, registry, base = lower
    upper = write_upper(tmp_path / "upper", base)
    fpack("pack", cwd=upper)
    stored, copy = registry.stored("team/lower"), registry.stored("mirror/lower")
    document, blob = artifact(stored)
    copy.tags |= stored.tags
    copy.manifests |= {name: value for name, value in stored.manifests.items() if name != document}
    copy.blobs |= {name: value for name, value in stored.blobs.items() if name != blob}
    write_upper(upper, base.replace("/team/", "/mirror/"))
    told = fpack("pack", cwd=upper, env={"FPACK_ROOT": str(tmp_path / "other")}).stderr
    assert own(upper) is None and "not used" not in told


def test_a_patch_does_without_the_manifest_of_a_base_that_is_gone(
    fpack: Fpack, archive: Archive, tmp_path: Path
) -> None:
    archive.add("extra", "1.0", files={"usr/share/extra/words": "one\n"})
    archive.publish()
    with Registry() as registry:
        base = push_lower(fpack, registry, tmp_path / "lower", LOWER)
        upper = write_upper(tmp_path / "upper", base, 'import("fpack/debian").trixie.extra')
        reference = f"{registry.host}/team/upper:1"
        fpack("pack", "--push", reference, "--plain-http", cwd=upper)
        archive.add("extra", "1.1", suite="trixie-security", files={"usr/share/extra/words": "two\n"})
        archive.publish()
        stored = registry.stored("team/lower")
        document, blob = artifact(stored)
        del stored.manifests[document], stored.blobs[blob]
        (result,) = patch(Fpack(tmp_path / "fresh", archive), reference, "--security")
        assert [item["name"] for item in result["images"][0]["packages"]] == ["extra"]
        assert "/usr/bin/hello" in fpack("why", reference, "/usr/bin/hello", "--plain-http").stdout
