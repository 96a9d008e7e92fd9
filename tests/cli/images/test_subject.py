"""Verbs about an image answer alike, whatever names it: an attribute, a tar, a layout, or docker's form of a tar."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard
from fpack.builders.manifest.reader import ManifestReader
from fpack.cli.images import image_file
from fpack.cli.images.stored_subject import StoredSubject, _dependencies
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError
from support.archives.archive import Archive, file, link
from support.archives.packages import ESSENTIAL
from support.images.greeter import Greeter
from support.images.tamper import Image
from support.paths import OLD_IMAGE
from support.processes.program import Fpack

ATTRIBUTES = ("#image", "#everything")
QUESTIONS = (
    ("why",),
    ("why", "--json"),
    ("why", "dash"),
    ("why", "/bin/sh", "--json"),
    ("why", "words"),
    ("why", "/etc/passwd", "--json"),
    ("why", "/etc/motd"),
    ("why", "one.txt"),
    ("size",),
    ("size", "--json"),
    ("closure", "--json"),
    ("closure", "--tree"),
    ("size", "--html=/dev/stdout"),
)


def in_docker_form(packed: Path, out: Path) -> Path:
    """Return the image as old engines save it: one tar without OCI documents, its layers not compressed."""
    image = Image.load(packed)
    config = json.dumps(image.config, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    layers = [f"{number:064}/layer.tar" for number in range(len(image.layers))]
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    entry = {"Config": name, "RepoTags": ["localhost/greeter:1.0"], "Layers": layers}
    content = {name: config, "manifest.json": json.dumps([entry]).encode()}
    content |= {path: layer.tar for path, layer in zip(layers, image.layers, strict=True)}
    write_tar(out, content)
    return out


def write_tar(out: Path, content: dict[str, bytes]) -> None:
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in content.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="module")
def forms(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Return the files of the images of both attributes, by attribute and form."""
    out = tmp_path_factory.mktemp("forms")
    found = {}
    for attribute in ATTRIBUTES:
        name = attribute.lstrip("#")
        for form, words in {
            "tar": ("-o", out / f"{name}.tar"),
            "layout": ("--format", "oci-dir", "-o", out / name),
            "beside": ("-o", out / "beside" / f"{name}.tar"),
        }.items():
            words[-1].parent.mkdir(exist_ok=True)  # type: ignore[union-attr]
            made.fpack.pack(attribute, *words, cwd=made.project)
            found[attribute, form] = Path(words[-1])
        docker = in_docker_form(out / f"{name}.tar", out / f"{name}-docker.tar")
        shutil.copy(out / f"{name}.manifest.json", out / f"{name}-docker.manifest.json")
        found[attribute, "docker"] = docker
        bare = Image.load(found[attribute, "beside"])
        bare.referrers, bare.artifacts = None, []
        bare.save(found[attribute, "beside"])
    return found


def elsewhere(made: Greeter, home: Path, *words: str | Path) -> str:
    """Return the answer of a machine that has no store, no project, no archive and no cache."""
    home.mkdir(exist_ok=True)
    away = Fpack(home)
    away.env |= {"FPACK_ROOT": str(home / "none"), "FPACK_MIRROR": "debian=file:///nowhere only"}
    before = sorted(home.rglob("*"))
    text = away(*words).stdout
    made_now = {path.relative_to(home).parts[0] for path in set(home.rglob("*")) - set(before)}
    assert made_now <= {".cache"}, "an image file needs no store and no state"
    return text


@pytest.fixture(scope="module", params=ATTRIBUTES)
def attribute(request: pytest.FixtureRequest, made: Greeter) -> tuple[str, list[str]]:
    """Return an attribute, and its answer to each question."""
    answers = [made.fpack(verb, request.param, *words, cwd=made.project).stdout for verb, *words in QUESTIONS]
    return request.param, answers


@pytest.mark.slow
@pytest.mark.parametrize("form", ["tar", "layout", "beside", "docker"])
def test_every_form_gives_the_answers_of_the_attribute(
    made: Greeter, forms: dict[tuple[str, str], Path], tmp_path: Path, attribute: tuple[str, list[str]], form: str
) -> None:
    path = forms[attribute[0], form]
    for (verb, *words), expected in zip(QUESTIONS, attribute[1], strict=True):
        if (verb, form) != ("size", "docker"):  # its layers are not compressed
            assert elsewhere(made, tmp_path / "away", verb, path, *words) == expected, (verb, words)


@pytest.mark.parametrize("form", ["tar", "layout", "beside", "docker"])
def test_show_knows_the_configuration_and_the_packages(
    made: Greeter, forms: dict[tuple[str, str], Path], tmp_path: Path, form: str
) -> None:
    target = json.loads(made.fpack("show", "#image", "--json", cwd=made.project).stdout)
    found = json.loads(elsewhere(made, tmp_path / "away", "show", forms["#image", form], "--json"))
    for key in ("type", "name", "tag", "arch", "release", "closure", "packages"):
        assert found[key] == target[key], key
    for key in ("entrypoint", "ports", "volumes", "labels", "uid"):
        assert found["config"][key] == target["config"][key], key
    assert found["config"]["env"]["GREETING"] == "hi" and found["built"]["image_id"] == target["built"]["image_id"]
    if form != "docker":
        assert found["built"] == target["built"]
    text = elsewhere(made, tmp_path / "away", "show", forms["#image", form])
    assert text.startswith("greeter:1.0\n") and "linked: what its files load" in text and "\nhello " in text


@pytest.mark.parametrize("target", ["#image", "tar"])
def test_the_size_of_a_built_package_has_its_name(
    made: Greeter, forms: dict[tuple[str, str], Path], target: str
) -> None:
    what = forms["#image", "tar"] if target == "tar" else target
    layers = json.loads(made.fpack("size", what, "--json", cwd=made.project).stdout)["layers"]
    built = [name for layer in layers for name in layer["built"]]
    assert built == ["data", "note"] and not any(layer["built"] and layer["packages"] for layer in layers)
    rows = made.fpack("size", what, cwd=made.project).stdout.splitlines()
    assert len([row for row in rows if row.endswith(("  data", "  note"))]) == 2


def test_the_paths_of_an_image_file_are_those_that_files_come_from(
    made: Greeter, forms: dict[tuple[str, str], Path]
) -> None:
    found = json.loads(made.fpack("closure", forms["#image", "tar"], "--paths", "--json").stdout)
    inside = {item["path"] for item in json.loads(made.manifest.read_bytes())["paths"]}
    assert {item["path"] for item in found["paths"]} == inside == set(found["tops"])
    assert found["size"] == json.loads(made.fpack("size", made.tar, "--json").stdout)["size_unpacked"]


def test_verify_packs_the_image_of_an_attribute(made: Greeter, tmp_path: Path) -> None:
    before = sorted(made.project.iterdir())
    found = json.loads(made.fpack("verify", "#image", "--json", cwd=made.project).stdout)
    assert found["claim"] == "given" and found["image"] == "#image" and found["success"]
    assert "proven" in made.fpack("verify", "debian.trixie.hello").stdout
    assert sorted(made.project.iterdir()) == before
    assert "There is no such file" in made.fpack.fails("verify", "gone.tar", cwd=made.project)


# Images of other tools, and of older versions.


@pytest.mark.parametrize("form", ["tar", "docker"])
def test_an_image_of_another_tool_answers_what_it_can(
    made: Greeter, forms: dict[tuple[str, str], Path], tmp_path: Path, form: str
) -> None:
    path = tmp_path / "other.tar"
    if form == "docker":
        shutil.copy(forms["#image", "docker"], path)
    else:
        image = Image.load(forms["#image", "tar"])
        image.referrers, image.artifacts = None, []
        image.save(path)
    sizes = json.loads(made.fpack("size", path, "--json").stdout)
    assert sizes["size_unpacked"] is None and all(layer["packages"] == [] for layer in sizes["layers"])
    assert sizes["size_compressed"] == sum(layer["size"] for layer in sizes["layers"]) > 0
    assert "has no manifest of fpack" in made.fpack("size", path).stdout
    shown = json.loads(made.fpack("show", path, "--json").stdout)
    assert (
        shown["packages"] is None and shown["config"]["env"]["GREETING"] == "hi" and shown["name"].endswith("greeter")
    )
    assert "no other.manifest.json beside it" in made.fpack("show", path).stdout
    for verb in ("why", "closure"):
        message = made.fpack.fails(verb, path)
        assert "no manifest of fpack" in message and "other.manifest.json" in message
    assert shown["built"]["path"] is None
    shutil.copy(forms["#everything", "tar"].with_name("everything.manifest.json"), tmp_path / "other.manifest.json")
    assert "is about another image" in made.fpack.fails("why", path)


def test_documents_about_an_image_are_no_platform_of_it(made: Greeter, tmp_path: Path) -> None:
    content = Image.load(made.tar).files()
    index = json.loads(content["index.json"])

    def put(value: Any, media_type: str) -> dict[str, Any]:
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        content[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(data)}

    statement = {**put({}, "layer.v1.tar"), "mediaType": "application/vnd.in-toto+json"}
    unknown = {"architecture": "unknown", "os": "unknown"}
    rootfs = {"type": "layers", "diff_ids": [statement["digest"]]}
    config = put({**unknown, "config": {}, "rootfs": rootfs}, "config.v1+json")
    attestation = put({"schemaVersion": 2, "config": config, "layers": [statement]}, "manifest.v1+json")
    index["manifests"].append({**attestation, "platform": unknown})
    content["index.json"] = json.dumps(index).encode()
    write_tar(tmp_path / "attested.tar", content)
    assert made.fpack("size", tmp_path / "attested.tar").stdout == made.fpack("size", made.tar).stdout


def test_a_copy_with_other_documents_has_the_same_manifest(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    image.referrers, image.artifacts = None, []
    image.config["config"]["Labels"] = {"changed": "yes"}
    image.index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "2"}
    path = image.save(tmp_path / "copy.tar")
    assert made.fpack("show", path).stdout.startswith("copy:2\n")
    shutil.copy(made.manifest, tmp_path / "copy.manifest.json")
    assert made.fpack("why", path).stdout == made.fpack("why", made.tar).stdout
    shown = json.loads(made.fpack("show", path, "--json").stdout)
    assert shown["config"]["labels"] == {"changed": "yes"} and shown["packages"] and shown["built"]["path"] is None


ODD = {
    "User": 7,
    "Env": {"A": 1},
    "Cmd": ["\x1b]0;title\x07", 5],
    "Labels": ["x"],
    "ExposedPorts": {"80/tcp": {}, "x\x1b[2J": {}},
    "Healthcheck": {"Test": "curl", "Interval": "soon"},
    "Volumes": "all",
    "StopSignal": {},
}


def test_an_odd_configuration_is_shown_as_far_as_it_makes_sense(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    image.referrers, image.artifacts = None, []
    image.config["config"] = ODD
    image.index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "odd\x1b[31m:1\x07"}
    path = image.save(tmp_path / "odd.tar")
    config = json.loads(made.fpack("show", path, "--json").stdout)["config"]
    assert config["user"] is config["healthcheck"] is config["stop_signal"] is None and config["labels"] == {}
    assert config["ports"] == [80, "x\x1b[2J"] and config["env"] == {"A": ""} and config["volumes"] == []
    assert "\x1b" not in made.fpack("show", path).stdout + made.fpack("size", path).stdout


def test_a_manifest_without_reasons_gives_dependencies() -> None:
    subject = StoredSubject(image_file.read(OLD_IMAGE))
    assert ManifestReader(subject.image.data or b"").head.format == 1
    packages = {item.package: item for item in subject.packages()}
    assert (packages["hello"].by, packages["hello"].kind) == (None, "seed")
    assert (packages["libgreet1"].by, packages["libgreet1"].kind) == ("hello", "depends")
    assert "libgreet1" in subject.needs()["hello"] and subject.sizes()["libgreet1"] > 0


@pytest.mark.parametrize("slices", [None, 7, [7], [{}], [{"package": "a", "depends": 5, "seed": True}]])
def test_a_malformed_root_is_an_error(slices: Any) -> None:
    root = Derivation("root", "root", {"slices": slices}, (), (), ("out",))
    image = Derivation("image", "image", {}, (Output(b"r" * 20),), (), ("out",))
    head = SimpleNamespace(image=SimpleNamespace(derivation="image"))
    reader: Any = SimpleNamespace(head=head, derivations={"image": image, (b"r" * 20).hex(): root})
    with pytest.raises(FpackError, match="manifest cannot be read"):
        _dependencies(reader)


# Several platforms.


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fpack, Path]:
    archive = Archive(tmp_path_factory.mktemp("archive"), archs=("amd64", "arm64"))
    release = {"usr/lib/os-release": "ID=debian\n", "etc/os-release": link("../usr/lib/os-release")}
    archive.add("base-files", arch="all", files={**release, "etc/debian_version": "13\n"})
    for arch in archive.archs:
        archive.add("hello", arch=arch, files={"usr/bin/hello": file(f"a program for {arch}", 0o755)})
    for name in ESSENTIAL:
        archive.add(name, arch="all")
    archive.publish()
    fpack = Fpack(tmp_path_factory.mktemp("platforms") / "home", archive)
    (fpack.home / "fpack.fp").write_text(
        'image = container { packages = [import("fpack/debian").trixie.hello], closure = "linked" }'
    )
    out = fpack.home / "several.tar"
    fpack.pack("--platform", "linux/amd64,linux/arm64", "-o", out)
    return fpack, out


def test_one_of_several_platforms_is_chosen(several: tuple[Fpack, Path]) -> None:
    fpack, path = several
    message = fpack.fails("size", path)
    assert "several platforms" in message and "linux/amd64, linux/arm64/v8" in message and "--platform" in message
    for platform, arch in (("linux/arm64", "arm64"), ("linux/arm64/v8", "arm64"), ("linux/amd64", "amd64")):
        shown = json.loads(fpack("show", path, "--platform", platform, "--json").stdout)
        assert shown["arch"] == arch and [item["name"] for item in shown["packages"]] == ["base-files", "hello"]
        assert "requested" in fpack("why", path, "hello", "--platform", platform).stdout
    assert "There is no image for linux/s390x" in fpack.fails("closure", path, "--platform", "linux/s390x")
    assert "There is no image for linux/arm" in fpack.fails("closure", path, "--platform", "linux/arm")
    assert "--arch" in fpack.fails("size", "#image", "--platform", "linux/arm64")


# Files that are no image, and damaged ones.


def test_a_tar_that_is_no_image(made: Greeter, tmp_path: Path) -> None:
    write_tar(tmp_path / "plain.tar", {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"})
    (tmp_path / "text.tar").write_text("no tar")
    for verb in ("why", "size", "closure", "show"):
        assert "This is not a container image" in made.fpack.fails(verb, tmp_path / "plain.tar")
        assert "not a tar archive" in made.fpack.fails(verb, tmp_path / "text.tar")
        assert "There is no such file" in made.fpack.fails(verb, tmp_path / "gone.tar")
    assert "is an image" in made.fpack.fails("build", made.tar)
    (tmp_path / "packed.tar.zst").write_bytes(zstandard.compress(made.tar.read_bytes()[:100_000]))
    assert "zstd -d" in made.fpack.fails("size", tmp_path / "packed.tar.zst")


def _truncated(layout: Path, blob: Callable[[str], Path]) -> None:
    path = blob("layer")
    path.write_bytes(path.read_bytes()[:-1])


DAMAGE: dict[str, tuple[Callable[[Path, Callable[[str], Path]], Any], str]] = {
    "a layer that is missing": (lambda layout, blob: blob("layer").unlink(), "is missing"),
    "a layer that is shorter": (_truncated, "its descriptor says"),
    "a changed configuration": (lambda layout, blob: blob("config").write_text("{}"), "its content has the digest"),
    "a changed manifest": (lambda layout, blob: blob("image").write_text("{}"), "its content has the digest"),
    "a changed exact manifest": (lambda layout, blob: blob("exact").write_bytes(b"x"), "its descriptor says"),
    "no JSON": (lambda layout, blob: (layout / "index.json").write_text("{"), "cannot be read"),
    "an index of no image": (
        lambda layout, blob: (layout / "index.json").write_text('{"manifests": []}'), "has no container image",
    ),
    "an index of itself": (
        lambda layout, blob: (layout / "index.json").write_text('{"manifests": [7]}'), "not a descriptor",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_image_is_an_error(
    made: Greeter, forms: dict[tuple[str, str], Path], tmp_path: Path, name: str
) -> None:
    layout = shutil.copytree(forms["#image", "layout"], tmp_path / "layout")
    documents = {"index": json.loads((layout / "index.json").read_text())["manifests"][0]}

    def content(descriptor: dict[str, Any]) -> Any:
        return json.loads((layout / "blobs/sha256" / descriptor["digest"][7:]).read_text())

    image = content(documents["index"])
    (entry,) = json.loads((layout / "fpack-referrers.json").read_text())["manifests"]
    paths = {"image": documents["index"], "config": image["config"], "layer": image["layers"][0]}
    paths["exact"] = content(entry)["layers"][0]

    def blob(which: str) -> Path:
        path = layout / "blobs/sha256" / paths[which]["digest"][7:]
        path.chmod(0o644)
        return path

    damage, words = DAMAGE[name]
    damage(layout, blob)
    for verb in ("size", "why"):
        assert words in made.fpack.fails(verb, layout)


def test_a_truncated_tar_is_an_error(made: Greeter, tmp_path: Path) -> None:
    data = made.tar.read_bytes()
    path = tmp_path / "cut.tar"
    for length in (600, len(data) // 2, len(data) - 20_000):
        path.write_bytes(data[:length])
        error = made.fpack.fails("size", path)
        assert "error:" in error and "cut.tar" in error
