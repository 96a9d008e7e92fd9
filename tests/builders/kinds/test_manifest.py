"""The exact manifest: it says what is in the image and where that comes from, and always in the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from blake3 import blake3
from fpack.builders.manifest import json_form
from fpack.builders.manifest.format import MTIME
from fpack.builders.manifest.reader import ManifestReader
from fpack.store import derivation
from support.images.greeter import Greeter
from support.processes.program import Fpack

PACKAGES = {"base-files", "coreutils", "dash", "greet-tools", "hello", "libgreet1"}


@pytest.fixture(scope="module")
def manifest(made: Greeter) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(made.manifest.read_bytes())
    return value


@pytest.fixture(scope="module")
def files(made: Greeter) -> dict[str, bytes]:
    with tarfile.open(made.tar) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}  # type: ignore[union-attr]


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    data = files["blobs/" + descriptor["digest"].replace(":", "/")]
    assert descriptor["digest"] == "sha256:" + hashlib.sha256(data).hexdigest()
    assert descriptor["size"] == len(data)
    return data


def artifact_of(files: dict[str, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    (entry,) = json.loads(files["fpack-referrers.json"])["manifests"]
    artifact: dict[str, Any] = json.loads(blob(files, entry))
    return entry, artifact


def canonical_of(files: dict[str, bytes]) -> bytes:
    _, artifact = artifact_of(files)
    return zstandard.ZstdDecompressor().decompress(blob(files, artifact["layers"][0]))


def test_it_lists_every_entry_of_every_layer_as_the_tar_has_it(
    manifest: dict[str, Any], files: dict[str, bytes]
) -> None:
    image = json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))
    config = json.loads(blob(files, image["config"]))
    assert [layer["digest"] for layer in manifest["layers"]] == [layer["digest"] for layer in image["layers"]]
    assert [layer["diff_id"] for layer in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert manifest["image"]["configuration"] == config
    kinds = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE}
    seen = 0
    for layer, descriptor in zip(manifest["layers"], image["layers"], strict=True):
        raw = zstandard.ZstdDecompressor().decompressobj().decompress(blob(files, descriptor))
        assert layer["tar"] == len(raw) and layer["size"] == descriptor["size"]
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            members = list(archive)
            assert len(members) == len(layer["entries"])
            for info, entry in zip(members, layer["entries"], strict=True):
                assert entry["path"] == ("/" if info.name == "." else "/" + info.name)
                assert kinds[entry["kind"]] == info.type
                assert (int(entry["mode"], 8), entry["uid"], entry["gid"]) == (info.mode, info.uid, info.gid)
                assert info.mtime == manifest["mtime"] == MTIME
                if info.isfile():
                    data = archive.extractfile(info).read()  # type: ignore[union-attr]
                    assert entry["size"] == len(data)
                    assert entry["sha256"] == hashlib.sha256(data).hexdigest()
                    assert entry["blake3"] == blake3(data).hexdigest()
                if info.issym():
                    assert entry["target"] == info.linkname
                seen += 1
    assert seen > 40


def entries(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["path"]: entry for layer in manifest["layers"] for entry in layer["entries"]}


def test_each_file_leads_to_a_store_path_its_derivation_and_what_was_fetched(manifest: dict[str, Any]) -> None:
    found = entries(manifest)
    places = {place["path"]: place for place in manifest["paths"]}
    derivations = {made["digest"]: made for made in manifest["derivations"]}

    def origin(path: str) -> dict[str, Any]:
        made: dict[str, Any] = derivations[places[found[path]["from"]]["derivation"]]
        return made

    made = origin("/usr/bin/hello")
    chain = [made["kind"]]
    while made["inputs"]:
        made = derivations[made["inputs"][0][0]]
        chain.append(made["kind"])
    assert chain == ["slice", "deb", "fetch"]
    source = next(each for each in manifest["sources"] if each["derivation"] == made["digest"])
    lock = next(each for each in manifest["lock"]["packages"] if each["name"] == "hello")
    assert source["sha256"] == lock["sha256"] == made["args"]["sha256"] and source["size"] == lock["size"]
    assert places[found["/usr/bin/hello"]["from"]]["package"] == "hello"
    assert origin("/etc/passwd")["kind"] == "root"
    assert origin("/etc/motd")["kind"] == "files"
    data = next(path for path in found if path.endswith("-data/deep/run"))
    assert found[data]["mode"] == "0755" and origin(data)["kind"] == "source"
    note = next(path for path in found if path.endswith("-note"))
    assert origin(note)["kind"] == "text"
    trees = [each["tree"] for each in manifest["sources"] if each["kind"] == "source"]
    assert origin(data)["args"]["tree"] in trees


def test_what_is_generated_names_its_rule(manifest: dict[str, Any]) -> None:
    found = entries(manifest)
    rules = {path: entry["origin"]["generated"] for path, entry in found.items() if "origin" in entry}
    assert rules["/etc/passwd"] == rules["/etc/group"] == "accounts" and rules["/lib"] == "merged-usr"
    assert rules["/tmp"] == "directories" and rules["/var/run"] == "run"
    assert not rules.keys() & {"/usr/bin/hello", "/etc/motd", "/srv/app/main.sh"}
    kinds = {made["digest"]: made["kind"] for made in manifest["derivations"]}
    roots = {place["path"] for place in manifest["paths"] if kinds[place["derivation"]] == "root"}
    assert {found[path]["from"] for path in rules} == roots


def test_claims_count_the_files_of_each_origin(manifest: dict[str, Any]) -> None:
    places = {place["path"]: place for place in manifest["paths"]}
    counted = dict.fromkeys(("package", "built", "files", "generated", "configured"), 0)
    for layer in manifest["layers"]:
        prefixes = dict(layer["parts"])
        for entry in layer["entries"]:
            if entry["kind"] == "directory":
                continue
            shipped = "package" if places[entry["from"]]["package"] else "built" if prefixes[entry["from"]] else "files"
            counted[next(iter(entry["origin"])) if "origin" in entry else shipped] += 1
    assert manifest["claims"] == counted and min(counted[name] for name in list(counted)[:4]) > 2
    assert manifest["executor"] == "", "nothing was built from source"


def test_what_the_containers_files_replace_is_noted(made: Greeter, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "fpack.fp").write_text(
        """
        debian = import("fpack/debian").trixie
        image = container {
          packages = [debian.hello]
          files = {
            "/usr/bin/hello" = { text = "#!/bin/sh\\n", mode = "0755" }
            "/usr/share/greet/words" = { text = "Good day\\n", mode = "0600" }
            "/etc/passwd" = "root:x:0:0::/:/bin/sh\\n"
          }
        }
        """
    )
    packed = made.fpack.pack("-o", tmp_path / "image.tar", cwd=project)
    manifest = json.loads(Path(packed["manifest"]).read_bytes())
    packages = {place["path"]: place["package"] for place in manifest["paths"]}
    left_out = {
        each["path"]: (packages[layer["parts"][each["part"]][0]], each["reason"], each["by"])
        for layer in manifest["layers"]
        for each in layer["excluded"]
        if each["reason"] != "generated"
    }
    assert left_out == {
        "usr/bin/hello": ("hello", "files", ""),
        "usr/share/greet/words": ("libgreet1", "mode", ""),
        "etc/passwd": ("", "files", ""),
    }
    paths = [e["path"] for layer in manifest["layers"] for e in layer["entries"] if e["kind"] != "directory"]
    assert len(paths) == len(set(paths))


def test_directories_that_are_only_passed_through_come_from_nothing(manifest: dict[str, Any]) -> None:
    found = entries(manifest)
    assert found["/usr"]["from"] is None and found["/srv/data"]["from"] is not None
    assert (found["/srv/data"]["mode"], found["/srv/data"]["uid"]) == ("0700", 999)


def test_the_lock_in_it_has_what_was_used_and_no_more(made: Greeter, manifest: dict[str, Any]) -> None:
    used = {place["package"] for place in manifest["paths"] if place["package"]}
    assert used == {each["name"] for each in manifest["lock"]["packages"]} == PACKAGES
    locked = (made.project / "fpack.lock").read_text()
    assert " idle " in locked, "the project's lock has more"
    for each in manifest["lock"]["packages"]:
        assert f" {each['name']} {each['version']} " in locked and each["sha256"] in locked
    for each in (*manifest["lock"]["suites"], *manifest["lock"]["indexes"]):
        assert each["sha256"] in locked
    assert len(manifest["lock"]["suites"]) == len(manifest["lock"]["indexes"]) == 3


def test_derivations_are_whole_and_known_by_their_digests(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    reader = ManifestReader(canonical_of(files))
    for digest, made in reader.derivations.items():
        assert derivation.digest(made.encode()).hex() == digest
        assert all(each.derivation.hex() in reader.derivations for each in made.inputs), made.name
    kinds = {made.kind for made in reader.derivations.values()}
    assert kinds == {"image", "root", "slice", "deb", "fetch", "files", "layer", "source", "text"}
    assert reader.derivations[manifest["image"]["derivation"]].kind == "image"
    fetched = {made.name for made in reader.derivations.values() if made.kind == "fetch"}
    assert {each["name"] for each in manifest["sources"] if each["kind"] == "fetch"} <= fetched


def test_the_two_forms_say_the_same(made: Greeter, files: dict[str, bytes]) -> None:
    canonical = canonical_of(files)
    text = made.manifest.read_bytes()
    assert b"".join(json_form.render(ManifestReader(canonical))) == text
    assert b"".join(json_form.parse(text)) == canonical
    # However it is laid out.
    value = json.loads(text)
    for again in (json.dumps(value), json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)):
        assert b"".join(json_form.parse(again.encode())) == canonical


def test_it_is_an_artifact_about_the_image_and_no_part_of_it(files: dict[str, bytes], made: Greeter) -> None:
    (image,) = json.loads(files["index.json"])["manifests"]
    entry, artifact = artifact_of(files)
    assert artifact["subject"] == {key: image[key] for key in ("mediaType", "digest", "size")}
    assert artifact["artifactType"] == entry["artifactType"] == "application/vnd.fpack.manifest.v2"
    assert artifact["mediaType"] == entry["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert blob(files, artifact["config"]) == b"{}"
    packed = blob(files, artifact["layers"][1])
    assert zstandard.ZstdDecompressor().decompress(packed) == made.manifest.read_bytes()
    assert entry["digest"] not in files["index.json"].decode()
    assert not [path for path in entries(json.loads(made.manifest.read_bytes())) if "manifest" in path]


def test_without_it_the_image_is_the_same(made: Greeter, tmp_path: Path) -> None:
    first = made.fpack.pack("-o", tmp_path / "with.tar", cwd=made.project)
    second = made.fpack.pack("-o", tmp_path / "without.tar", "--no-manifest", cwd=made.project)
    assert second["digest"] == first["digest"] and second["image_id"] == first["image_id"]
    assert first["manifest"] == str(tmp_path / "with.manifest.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["with.manifest.json", "with.tar", "without.tar"]
    with tarfile.open(tmp_path / "without.tar") as archive:
        assert "fpack-referrers.json" not in archive.getnames()


def test_it_is_the_same_bytes_whatever_store_made_it(made: Greeter, tmp_path: Path) -> None:
    env = {"FPACK_ROOT": str(tmp_path / "store"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONHASHSEED": "5"}
    made.fpack.pack("-o", tmp_path / "again.tar", "-j", "1", cwd=made.project, env=env)
    assert (tmp_path / "again.manifest.json").read_bytes() == made.manifest.read_bytes()
    assert (tmp_path / "again.tar").read_bytes() == made.tar.read_bytes()


def test_it_can_be_made_when_all_but_the_image_was_collected(made: Greeter, tmp_path: Path) -> None:
    other = Fpack(tmp_path / "home", made.fpack.archive)
    other("build", "-o", tmp_path / "result", cwd=made.project)
    assert json.loads(other("gc", "--all", "--json").stdout)["deleted"]
    done = other("pack", "-v", "-o", tmp_path / "kept.tar", cwd=made.project)
    assert "unpack" not in done.stderr and "download" not in done.stderr
    assert (tmp_path / "kept.manifest.json").read_bytes() == made.manifest.read_bytes()


def test_a_layout_has_it_too(made: Greeter, tmp_path: Path) -> None:
    result = made.fpack.pack("--format", "oci-dir", "-o", tmp_path / "layout", cwd=made.project)
    assert result["manifest"] == str(tmp_path / "layout.manifest.json")
    listed = json.loads((tmp_path / "layout" / "fpack-referrers.json").read_bytes())
    name = listed["manifests"][0]["digest"].replace(":", "/")
    assert (tmp_path / "layout" / "blobs" / name).exists()


def test_a_pipe_gets_the_image_alone(made: Greeter, tmp_path: Path) -> None:
    import subprocess

    command = made.fpack.command("pack", "-o", "/dev/stdout", "--json")
    with open(tmp_path / "out", "wb") as out:
        pipe = ["sh", "-c", '"$@" | cat', "sh", *command]
        subprocess.run(pipe, stdout=out, cwd=made.project, env=made.fpack.env, check=True)
    assert (tmp_path / "out").stat().st_size > 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
