"""Verification: an image as fpack makes it is proven, and whatever is changed in it is found and named.

The changes are made so that every digest is right again: only the manifest can tell.
"""

from __future__ import annotations

import hashlib
import json
import random
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from fpack.builders.verify.findings import ImageDifference
from fpack.builders.verify.verify import VerifyResult
from fpack.store.errors import FpackError
from support.images.forge import Forgery
from support.images.greeter import Greeter
from support.images.tamper import Image, Layer, node
from support.properties import rounds
from support.reports.evidence import verify_alone

ROUNDS = rounds(9)  # of each change


def findings(outcome: VerifyResult) -> list[ImageDifference]:
    assert outcome.report.differs and outcome.verdict is None and outcome.value()["claim"] is None
    return outcome.report.findings


# What is proven.


def test_the_image_is_proven_by_what_it_carries_and_by_what_lies_beside(made: Greeter) -> None:
    for manifest in (None, made.manifest):
        outcome = verify_alone(made.tar, manifest)
        assert not outcome.report.differs, outcome.report.findings
        (part,) = outcome.images
        assert (part.checked.layers, len(part.packages)) == (len(part.head.layers), 6)
        assert part.checked.entries == sum(layer.entries for layer in part.head.layers)
        assert part.manifest == (str(manifest) if manifest else "the image")
        assert outcome.digest == part.checked.digest == part.head.image.manifest.digest


def test_an_image_that_was_put_together_again_unchanged_is_proven(image: Image, made: Greeter, tmp_path: Path) -> None:
    assert verify_alone(image.save(tmp_path / "same.tar")).report.findings == []
    assert verify_alone(image.save(tmp_path / "same.tar"), made.manifest).report.findings == []
    assert verify_alone(image.save_layout(tmp_path / "layout")).report.findings == []


def test_a_copy_that_lost_its_referrers_and_names_is_proven_by_a_manifest(
    image: Image, made: Greeter, tmp_path: Path
) -> None:
    image.referrers = None
    del image.index["mediaType"]
    del image.index["manifests"][0]["annotations"]["io.containerd.image.name"]
    outcome = verify_alone(image.save(tmp_path / "copy.tar"), made.manifest)
    assert not outcome.report.differs, outcome.report.findings


def test_a_renamed_image_is_proven_and_its_other_names_are_told(image: Image, made: Greeter, tmp_path: Path) -> None:
    as_made = verify_alone(made.tar, made.manifest)
    assert as_made.other_names == []
    image.index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "stable"
    outcome = verify_alone(image.save_layout(tmp_path / "layout"), made.manifest)
    assert (outcome.report.findings, outcome.verdict) == ([], as_made.verdict)
    assert outcome.value()["other_names"] == ["stable"]
    image.index["manifests"][0]["annotations"]["io.containerd.image.name"] = "docker.io/mine/greeter:stable"
    image.docker[0]["RepoTags"] = ["docker.io/mine/greeter:stable", "other:1"]
    outcome = verify_alone(image.save(tmp_path / "renamed.tar"), made.manifest)
    assert (outcome.report.findings, outcome.digest) == ([], as_made.digest)
    assert outcome.other_names == ["docker.io/mine/greeter:stable", "other:1", "stable"]


# What is changed, and what is said of it.


class Change(NamedTuple):
    """A change, as it was made: where it must be said to be, of which kind, and words of what is said."""

    where: str
    kinds: tuple[str, ...]
    words: str = ""


Make = Callable[[Image, random.Random], Change]
FILES, DIRECTORIES, LINKS = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE


def pick(image: Image, chance: random.Random, *kinds: bytes) -> str:
    return chance.choice(sorted(image.paths(*kinds)))


def content(image: Image, chance: random.Random) -> Change:
    """Flip a bit of a file."""
    layer, number = image.find(chance.choice([p for p in sorted(image.paths(FILES)) if _size(image, p)]))
    member = layer.members[number]
    data = bytearray(member.content)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    layer.members[number] = member._replace(content=bytes(data))
    return Change("/" + member.path.decode(), ("changed",), "content")


def _size(image: Image, path: str) -> int:
    layer, number = image.find(path)
    return len(layer.members[number].content)


def length(image: Image, chance: random.Random) -> Change:
    """Change a file's length."""
    path = pick(image, chance, FILES)
    layer, number = image.find(path)
    image.change(path, content=layer.members[number].content + bytes(chance.randrange(1, 2000)))
    return Change("/" + path, ("changed",), "bytes")


def mode(image: Image, chance: random.Random) -> Change:
    """Flip a bit of a mode."""
    path = pick(image, chance, FILES, DIRECTORIES)
    layer, number = image.find(path)
    image.change(path, mode=layer.members[number].mode ^ (1 << chance.randrange(12)))
    return Change("/" + path, ("changed",), "mode")


def owner(image: Image, chance: random.Random) -> Change:
    """Change an owner or a group."""
    path = pick(image, chance, FILES, DIRECTORIES, LINKS)
    image.change(path, **{chance.choice(("uid", "gid")): chance.randrange(1000, 1 << 31)})
    return Change("/" + path, ("changed",), "owner")


def time(image: Image, chance: random.Random) -> Change:
    """Change a time."""
    path = pick(image, chance, FILES, DIRECTORIES, LINKS)
    image.change(path, mtime=chance.randrange(1, 1 << 31))
    return Change("/" + path, ("changed",), "time")


def target(image: Image, chance: random.Random) -> Change:
    """Change the target of a link."""
    path = pick(image, chance, LINKS)
    image.change(path, target=b"/elsewhere" * chance.randrange(1, 20))
    return Change("/" + path, ("changed",), "elsewhere")


def kind(image: Image, chance: random.Random) -> Change:
    """Replace a file by a link."""
    path = pick(image, chance, FILES)
    image.change(path, kind=LINKS, content=b"", target=b"/etc/shadow", mode=0o777)
    return Change("/" + path, ("changed",), "symlink")


def added(image: Image, chance: random.Random) -> Change:
    """Add a file, which may be a whiteout."""
    layer = chance.choice(image.layers)
    name = chance.choice(("etc/cron.d/evil", "usr/bin/evil", ".wh.etc", "usr/bin/.wh.hello", "zz"))
    more = node(name, b"evil" * chance.randrange(500), mode=0o4755)
    if name.encode() in [member.path for member in layer.members]:
        more = more._replace(path=more.path + b"2")
    layer.members = sorted([*layer.members, more], key=lambda member: member.path)
    return Change("/" + more.path.decode(), ("added",))


def removed(image: Image, chance: random.Random) -> Change:
    """Remove a file."""
    path = pick(image, chance, FILES, LINKS)
    layer, number = image.find(path)
    del layer.members[number]
    return Change("/" + path, ("missing",))


def renamed(image: Image, chance: random.Random) -> Change:
    """Rename an entry."""
    path = pick(image, chance, FILES)
    image.change(path, path=path.encode() + b"~")
    return Change("/" + path, ("missing",))


def twice(image: Image, chance: random.Random) -> Change:
    """Add a second file of the same name, which a runtime would take."""
    path = pick(image, chance, FILES)
    layer, number = image.find(path)
    layer.members.append(layer.members[number]._replace(content=b"evil"))
    return Change("/" + path, ("added",), "twice")


def moved(image: Image, chance: random.Random) -> Change:
    """Exchange two members of a layer."""
    layer = chance.choice([each for each in image.layers if len(each.members) > 2])
    number = chance.randrange(1, len(layer.members) - 1)
    layer.members[number], layer.members[number + 1] = layer.members[number + 1], layer.members[number]
    return Change("/" + layer.members[number + 1].path.decode(), ("layer",), "not sorted")


def layer_more(image: Image, chance: random.Random) -> Change:
    """Add a layer."""
    more = Layer([node("etc/evil", b"x"), node("usr/.wh..wh..opq")])
    image.layers.insert(chance.randrange(len(image.layers) + 1), more)
    image.manifest["layers"].append({})
    image.config["history"].append({"created_by": "evil"})
    return Change("layer", ("layer",), "/etc/evil")


def layer_fewer(image: Image, chance: random.Random) -> Change:
    """Remove a layer."""
    number = chance.randrange(len(image.layers))
    del image.layers[number]
    return Change(f"layer {number + 1} (", ("layer",), "missing")


def layers_swapped(image: Image, chance: random.Random) -> Change:
    """Exchange two layers."""
    one, two = sorted(chance.sample(range(len(image.layers)), 2))
    image.layers[one], image.layers[two] = image.layers[two], image.layers[one]
    return Change(f"layer {two + 1} (", ("layer",), f"is in the position of layer {one + 1}")


def configuration(image: Image, chance: random.Random) -> Change:
    """Change a field of the configuration's settings (`config`)."""
    field, value = chance.choice(
        [
            ("User", "0:0"),
            ("Env", ["PATH=/evil"]),
            ("Entrypoint", ["/bin/evil"]),
            ("Cmd", ["evil"]),
            ("Volumes", {"/evil": {}}),
            ("Labels", {}),
            ("StopSignal", "SIGKILL"),
            ("Healthcheck", {"Test": ["CMD", "evil"]}),
            ("OnBuild", ["RUN evil"]),
        ]
    )
    image.config["config"][field] = value
    return Change(f"config.{field}", ("configuration",))


def platform(image: Image, chance: random.Random) -> Change:
    """Change a field of the configuration beside its settings."""
    field = chance.choice(("architecture", "created", "os", "author", "history"))
    image.config[field] = "evil"
    return Change(field, ("configuration",))


def described(image: Image, chance: random.Random) -> Change:
    """Change a descriptor or another field of the image's manifest."""
    place = chance.choice((image.manifest, image.manifest["config"], chance.choice(image.manifest["layers"])))
    place["annotations"] = {"evil": "yes"}
    return Change("the image's manifest: ", ("document",), "evil")


def media(image: Image, chance: random.Random) -> Change:
    """Change the media type of a layer."""
    number = chance.randrange(len(image.layers))
    image.layers[number].suffix = ""
    return Change(f"the image's manifest: layers[{number}]", ("document",), "media type")


def recompressed(image: Image, chance: random.Random) -> Change:
    """Compress the tar of a layer differently."""
    import zstandard

    layer = chance.choice(image.layers)
    layer.blob = zstandard.ZstdCompressor(level=chance.choice((1, 2, 19))).compress(layer.tar)
    return Change("sha256:", ("layer",), "compressed differently")


def padded(image: Image, chance: random.Random) -> Change:
    """Bytes of a layer's tar that are no entry's."""
    layer = chance.choice(image.layers)
    layer.end = chance.choice((bytes(1024) + b"evil" * 128, bytes(512) + b"x" * 512, bytes(1536)))
    return Change("sha256:", ("layer",), "")


def name(image: Image, chance: random.Random) -> Change:
    """Change a name to what is no text, or an annotation to what is no name."""
    if chance.random() < 0.5:
        image.docker[0]["RepoTags"] = chance.choice(([{"evil": 1}], "evil", [["evil"]]))
        return Change("manifest.json: [0].RepoTags", ("document",), "evil")
    key = chance.choice(("org.opencontainers.image.ref.name", "io.containerd.image.name", "evil"))
    image.index["manifests"][0]["annotations"][key] = ["evil"] if key != "evil" else "yes"
    return Change("index.json: manifests[0].annotations", ("document",), "evil")


def docker(image: Image, chance: random.Random) -> Change:
    """docker's manifest leads to another image than index.json."""
    other = image.files()
    evil = Layer([node("etc/evil")]).packed()
    digest = hashlib.sha256(evil).hexdigest()
    value = json.loads(other["manifest.json"])
    value[0]["Layers"][chance.randrange(len(image.layers))] = f"blobs/sha256/{digest}"
    image.replace = {"manifest.json": json.dumps(value).encode(), f"blobs/sha256/{digest}": evil}
    return Change("manifest.json: [0].Layers[", ("document",))


def stray(image: Image, chance: random.Random) -> Change:
    """Add a file that nothing leads to."""
    where = chance.choice(("blobs/sha256/" + "0" * 64, "repositories", "blobs/evil", "evil.txt"))
    image.replace = {where: b"evil"}
    return Change(where, ("archive",))


CHANGES: Mapping[str, Make] = {
    make.__name__: make
    for make in (
        *(content, length, mode, owner, time, target, kind, added, removed, renamed, twice, moved),
        *(layer_more, layer_fewer, layers_swapped, configuration, platform, described, media, recompressed, padded),
        *(name, docker, stray),
    )
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_and_named(made: Greeter, tmp_path: Path, change: str) -> None:
    original = Image.load(made.tar)
    for seed in range(ROUNDS):
        image = _copy(original)
        expected = CHANGES[change](image, random.Random(f"{change} {seed}"))
        manifest = (made.manifest, None)[seed % 2]
        found = findings(verify_alone(image.save(tmp_path / "changed.tar"), manifest))
        named = [
            finding
            for finding in found
            if finding.kind in expected.kinds
            and finding.where.startswith(expected.where)
            and expected.words in f"{finding.what} {finding.where}"
        ]
        assert named, (seed, expected, found)
        # Entries that were not touched are not accused.
        if expected.where.startswith("/"):
            accused = {f.where for f in found if f.kind in ("changed", "added", "missing")}
            allowed = {expected.where, expected.where + "~"}
            assert accused <= allowed or expected.kinds == ("layer",), (seed, accused)


def _copy(image: Image) -> Image:
    import copy

    return copy.deepcopy(image)


def test_a_flipped_bit_anywhere_in_the_archive_is_found(made: Greeter, tmp_path: Path) -> None:
    """In a blob, a document, a header or the zeros between them; whether it is named or ends the reading."""
    data = made.tar.read_bytes()
    chance = random.Random(3)
    place = tmp_path / "flipped.tar"
    for _ in range(40):
        at, bit = chance.randrange(len(data)), chance.randrange(8)
        place.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        for manifest in (None, made.manifest):
            try:
                outcome = verify_alone(place, manifest)
            except FpackError as error:
                assert error.what
                continue
            assert findings(outcome), (at, bit)


def test_a_flipped_bit_in_a_layer_is_said_to_be_in_its_blob(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    for number in range(len(image.layers)):
        files = image.files()
        layer = f"blobs/{json.loads(files['manifest.json'])[0]['Layers'][number].removeprefix('blobs/')}"
        blob = bytearray(files[layer])
        blob[len(blob) // 2] ^= 4
        image.replace = {layer: bytes(blob)}
        found = findings(verify_alone(image.save(tmp_path / "flipped.tar")))
        assert [f for f in found if f.kind == "blob" and f.layer.startswith(f"layer {number + 1} (")], found
        image.replace = {}


def test_another_manifest_than_the_one_that_is_trusted_is_named(made: Greeter, tmp_path: Path) -> None:
    """A changed image that carries a manifest of its own: consistent in itself, and not the one that is trusted."""
    forgery = Forgery(made.tar)
    forgery.change("etc/motd", uid=0)
    forged = forgery.save(tmp_path / "forged.tar")
    assert verify_alone(forged).report.findings == [], "in itself"
    found = findings(verify_alone(forged, made.manifest))
    assert any(f.kind == "manifest" and "another manifest" in f.what for f in found)
    assert any((f.kind, f.where) == ("changed", "/etc/motd") for f in found)


def test_json_within_that_says_something_else_is_named(made: Greeter, tmp_path: Path) -> None:
    import zstandard

    image = Image.load(made.tar)
    ((artifact, blobs),) = image.artifacts
    forms = artifact["layers"][1]
    text = zstandard.ZstdDecompressor().decompress(blobs[forms["digest"]])
    other = zstandard.ZstdCompressor().compress(text.replace(b'"uid":7', b'"uid":0'))
    forms.update(digest="sha256:" + hashlib.sha256(other).hexdigest(), size=len(other))
    blobs[forms["digest"]] = other
    found = findings(verify_alone(image.save(tmp_path / "json.tar")))
    assert [f.kind for f in found] == ["manifest"] and "JSON" in found[0].what


def test_an_artifact_about_another_image_is_named(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    files = image.files()
    listed = json.loads(files["fpack-referrers.json"])
    artifact = json.loads(files["blobs/" + listed["manifests"][0]["digest"].replace(":", "/")])
    artifact["subject"]["digest"] = "sha256:" + "0" * 64
    data = json.dumps(artifact).encode()
    digest = hashlib.sha256(data).hexdigest()
    listed["manifests"].append({**listed["manifests"][0], "digest": f"sha256:{digest}", "size": len(data)})
    image.replace = {"fpack-referrers.json": json.dumps(listed).encode(), f"blobs/sha256/{digest}": data}
    found = findings(verify_alone(image.save(tmp_path / "subject.tar")))
    assert any(f.kind == "document" and "another image" in f.what for f in found)


def test_other_artifacts_about_the_image_are_welcome(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    assert image.referrers is not None
    bom = b'{"spdxVersion":"SPDX-2.3"}'
    layer = {"mediaType": "application/spdx+json", "digest": "sha256:" + hashlib.sha256(bom).hexdigest()}
    artifact, blobs = image.artifacts[0]
    other = {**artifact, "artifactType": "application/spdx+json", "layers": [{**layer, "size": len(bom)}]}
    image.artifacts.append((other, {**blobs, layer["digest"]: bom}))
    entry = {**image.referrers["manifests"][0], "artifactType": "application/spdx+json"}
    image.referrers["manifests"].append(entry)
    outcome = verify_alone(image.save(tmp_path / "bom.tar"))
    assert not outcome.report.differs, outcome.report.findings
