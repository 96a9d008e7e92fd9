"""Images made to hurt whoever looks at them: each ends in a clear word, in bounded memory and time, writing nothing."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import resource
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fpack.builders.manifest.format import Head
from fpack.builders.streams import tar_writer as writer
from fpack.builders.verify import embedded_manifest
from fpack.builders.verify.documents import BadDocument
from fpack.builders.verify.findings import MAX_FINDINGS, ImageDifference, Report, VerifyError
from fpack.builders.verify.image_archive import TarArchive, open_archive
from fpack.store.errors import FpackError
from support.images.forge import Forgery
from support.images.greeter import Greeter
from support.images.tamper import Image, Layer, Node, info, node
from support.reports.evidence import says, verify_alone

MEMORY = 300 << 20


def found(image: Path, made: Greeter) -> list[ImageDifference]:
    """Return the differences from the true manifest. An error that ends the reading is one, too."""
    before = sorted(path for path in image.parent.rglob("*"))
    try:
        outcome = verify_alone(image, made.manifest)
    except FpackError as error:
        assert error.what and not isinstance(error, AssertionError)
        return [ImageDifference("error", error.where, f"{error.what} {error.why}")]
    assert sorted(path for path in image.parent.rglob("*")) == before, "it wrote something"
    assert outcome.report.differs
    return outcome.report.findings


# Documents.


def index_of(image: Image, **descriptor: Any) -> bytes:
    value = json.loads(image.files()["index.json"])
    value["manifests"][0].update(descriptor)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:../../../../../../etc/passwd",
        "../../etc/passwd",
        "sha256:" + "0" * 63 + "/",
        "sha256:" + "A" * 64,
        "sha512:" + "0" * 128,
        "sha256:" + "0" * 64 + "\n",
        "",
        None,
        7,
    ],
)
def test_a_digest_that_is_none_leads_nowhere(image: Image, made: Greeter, tmp_path: Path, digest: Any) -> None:
    image.replace["index.json"] = index_of(image, digest=digest)
    for place in (image.save(tmp_path / "a.tar"), image.save_layout(tmp_path / "layout")):
        assert says(found(place, made), "its digest is")


@pytest.mark.parametrize("size", [-1, 1 << 70, True, "12", None, 1.5])
def test_a_size_that_is_none(image: Image, made: Greeter, tmp_path: Path, size: Any) -> None:
    image.replace["index.json"] = index_of(image, size=size)
    assert says(found(image.save(tmp_path / "a.tar"), made), "its size is")


def test_a_blob_of_another_size(image: Image, made: Greeter, tmp_path: Path) -> None:
    files = image.files()
    names = json.loads(files["manifest.json"])[0]["Layers"]
    for blob in (b"", files[names[0]][:-1], files[names[0]] + b"x", files[names[0]] * 2):
        image.replace = {names[0]: blob}
        findings = found(image.save(tmp_path / "a.tar"), made)
        assert says(findings, "blob", "bytes; its descriptor says") and says(findings, "has the digest"), findings


def test_a_blob_that_is_not_there(image: Image, made: Greeter, tmp_path: Path) -> None:
    names = json.loads(image.files()["manifest.json"])[0]
    for name in (names["Config"], names["Layers"][0]):
        layout = image.save_layout(tmp_path / name[-8:])
        (layout / name).unlink()
        assert says(found(layout, made), "is missing")


def test_a_cycle_of_indexes(image: Image, made: Greeter, tmp_path: Path) -> None:
    kind = "application/vnd.oci.image.index.v1+json"
    inner = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": []}).encode()
    digest = hashlib.sha256(inner).hexdigest()
    entry = {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(inner)}
    # No file can hold its own digest; one that is not of its digest comes nearest.
    cycle = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry, entry]}).encode()
    image.replace = {"index.json": cycle, f"blobs/sha256/{digest}": cycle}
    assert says(found(image.save(tmp_path / "a.tar"), made), "which is not an image")


DOCUMENTS: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"\x00\x01",
    "a list": b"[]",
    "no manifests": b"{}",
    "an empty list": b'{"manifests":[]}',
    "a list of numbers": b'{"manifests":[1]}',
    "twice a field": b'{"manifests":[],"manifests":[]}',
    "a deep one": b"[" * 200_000,
    "a deep record": b'{"a":' * 200_000,
    "a huge number": b'{"manifests":' + b"9" * 100_000 + b"}",
    "no number": b'{"manifests":NaN}',
    "half a character": b'{"manifests":["\\ud800"]}',
    "a huge one": b'{"manifests":[' + b"{}," * (8 << 20) + b"{}]}",
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("where", ["index.json", "manifest.json", "oci-layout", "fpack-referrers.json", "config"])
def test_documents_that_make_no_sense(image: Image, made: Greeter, tmp_path: Path, where: str, name: str) -> None:
    place = json.loads(image.files()["manifest.json"])[0]["Config"] if where == "config" else where
    image.replace = {place: DOCUMENTS[name]}
    assert found(image.save(tmp_path / "a.tar"), made)


def test_a_small_image_does_not_carry_manifests_without_end(image: Image, tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(60 << 20))
    digest = f"sha256:{hashlib.sha256(bomb).hexdigest()}"
    artifact, blobs = image.artifacts[0]
    exact = artifact["layers"][0]
    artifact["layers"] = [{**exact, "digest": digest, "size": len(bomb)}] * 1000
    blobs[digest] = bomb
    archive = open_archive(image.save(tmp_path / "a.tar"), Report())
    with contextlib.closing(archive), pytest.raises(BadDocument, match="manifests have more than"):
        embedded_manifest.find(archive)


def test_a_blob_that_an_artifact_names_often_is_hashed_once(
    image: Image, made: Greeter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact, blobs = image.artifacts[0]
    data = b"content"
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    blobs[digest] = data
    artifact["layers"] += [{"mediaType": "text/plain", "digest": digest, "size": len(data)}] * 1000
    opened: list[str] = []
    tar_open = TarArchive.open
    monkeypatch.setattr(TarArchive, "open", lambda self, name: opened.append(name) or tar_open(self, name))
    verify_alone(image.save(tmp_path / "a.tar"), made.manifest)
    assert opened.count(f"blobs/{digest.replace(':', '/')}") == 1


def test_an_image_of_too_many_layers(image: Image, made: Greeter, tmp_path: Path) -> None:
    image.layers += [Layer([node("x")])] * 500
    image.manifest["layers"] += [{}] * 500
    assert says(found(image.save(tmp_path / "a.tar"), made), "layers")


def test_the_same_layer_many_times_is_not_read_for_ever(image: Image, made: Greeter, tmp_path: Path) -> None:
    bomb = Layer([])
    bomb.raw = bytes(8 << 20)
    bomb.blob = zstandard.ZstdCompressor().compress(bomb.raw)
    image.layers += [bomb] * 120
    image.manifest["layers"] += [{}] * 120
    start = time.process_time()
    assert len(found(image.save(tmp_path / "a.tar"), made)) >= 120
    assert time.process_time() - start < 20


def test_findings_are_counted_when_they_are_too_many(image: Image, made: Greeter, tmp_path: Path) -> None:
    layer = image.layers[0]
    layer.members += [node(f"zz/{number:05}") for number in range(3000)]
    outcome = verify_alone(image.save(tmp_path / "a.tar"), made.manifest)
    assert len(outcome.report.findings) == MAX_FINDINGS and outcome.report.more > 1500


# Bombs.


def bomb(size: int) -> bytes:
    """Zeros, compressed: frames of 64 MiB."""
    frame = zstandard.ZstdCompressor(level=1).compress(bytes(64 << 20))
    return frame * (size // (64 << 20))


def measured(*command: str | Path, env: dict[str, str]) -> tuple[int, int, float, str]:
    """Run a program; return its exit status, peak memory (bytes), processor time (seconds) and output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    most = 0
    with tempfile.TemporaryFile("w+b") as out:
        with subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.STDOUT, env=env) as child:
            # Not the usage that wait4 gives: a child inherits the peak of the process that it was forked from.
            while child.poll() is None:
                with contextlib.suppress(OSError, IndexError):
                    status = Path(f"/proc/{child.pid}/status").read_text()
                    if str(command[0]) in Path(f"/proc/{child.pid}/cmdline").read_text():
                        most = max(most, int(status.partition("VmHWM:")[2].split()[0]) << 10)
                time.sleep(0.005)
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return child.returncode, most, seconds, text


def test_ten_gigabytes_of_zeros_in_a_layer(image: Image, made: Greeter, tmp_path: Path) -> None:
    zeros = bomb(10 << 30)
    one, two = Layer([]), Layer([])
    # As nothing at all, and as one file.
    one.blob = zeros
    head = writer.header(writer.TarEntry(b"zeros", writer.FILE, 0o644, size=10 << 30))
    two.blob = zstandard.ZstdCompressor().compress(head) + zeros
    image.layers[0:2] = [one, two]
    place = image.save(tmp_path / "bomb.tar")
    assert place.stat().st_size < 10 << 20
    command = made.fpack.command("verify", place, "--manifest", made.manifest)
    status, memory, seconds, text = measured(*command, env=made.fpack.env)
    assert status == 1 and "DIFFERS" in text and "larger than allowed" in text and "Traceback" not in text
    assert memory < MEMORY and seconds < 30


@pytest.mark.parametrize("form", [0, 1])
def test_ten_gigabytes_in_the_manifest_that_it_carries(image: Image, made: Greeter, tmp_path: Path, form: int) -> None:
    ((artifact, blobs),) = image.artifacts
    zeros = bomb(10 << 30)
    digest = "sha256:" + hashlib.sha256(zeros).hexdigest()
    artifact["layers"][form].update(digest=digest, size=len(zeros))
    blobs[digest] = zeros
    place = image.save(tmp_path / "bomb.tar")
    status, memory, seconds, text = measured(*made.fpack.command("verify", place), env=made.fpack.env)
    assert status == 1 and ("more than 67108864 bytes", "JSON form")[form] in text and "Traceback" not in text, text
    assert memory < MEMORY and seconds < 20


MANIFESTS: dict[str, Callable[[], bytes]] = {
    "msgpack of empty lists": lambda: b"\xdd" + (8_000_000).to_bytes(4, "big") + b"\x90" * 8_000_000,
    "a long list": lambda: b"\xdd\xff\xff\xff\xff",
    "a long string": lambda: b"\xdb\xff\xff\xff\xff",
    "JSON of empty lists": lambda: b'{"a":[' + b"[]," * 20_000_000 + b"[]]}",
    "JSON of short strings": lambda: b'{"a":[' + b'"ab",' * 12_000_000 + b"0]}",
    "one that is too large": lambda: b"{" + b" " * (65 << 20),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_that_would_fill_the_memory(made: Greeter, tmp_path: Path, name: str) -> None:
    (tmp_path / "manifest").write_bytes(MANIFESTS[name]())
    command = made.fpack.command("verify", made.tar, "--manifest", tmp_path / "manifest")
    status, memory, seconds, text = measured(*command, env=made.fpack.env)
    assert status == 1 and "error: " in text and "manifest" in text and "Traceback" not in text, text
    assert memory < MEMORY and seconds < 20, (memory >> 20, seconds)


def test_paths_of_a_great_many_directories_do_not_fill_the_memory(made: Greeter, tmp_path: Path) -> None:
    """Each with directories of its own, which are only implied."""
    forgery = Forgery(made.tar)
    for number in range(4000):
        name = "/".join([f"{number:05}" + "d" * 34] * 99)
        forgery.put("files", node(name))
    place = forgery.save(tmp_path / "deep.tar")
    status, memory, _, text = measured(*made.fpack.command("verify", place), env=made.fpack.env)
    assert status == 0 and "4011 entries are from elsewhere" in text, text
    assert memory < MEMORY, memory >> 20


def test_many_packages_and_layers_do_not_take_for_ever(made: Greeter, tmp_path: Path) -> None:
    """Each package is one that cannot be had, and each layer has a file that hides one of another."""
    forgery = Forgery(made.tar)
    hello = next(place for place in forgery.head.paths if place.package == "hello")
    fakes = [hello._replace(path=f"{hello.path}-{n:05}", package=f"p{n}", derivation=None) for n in range(20_000)]
    paths = tuple(sorted([*forgery.head.paths, *fakes]))
    number = forgery.layer("hello")
    parts = (*forgery.head.layers[number].parts, *((fake.path, "") for fake in fakes))

    def change(head: Head) -> Head:
        layers = list(head.layers)
        layers[number] = layers[number]._replace(parts=parts)
        return head._replace(paths=paths, layers=tuple(layers))

    place = forgery.save(tmp_path / "many.tar", change)
    status, memory, _, text = measured(*made.fpack.command("verify", place), env=made.fpack.env)
    assert status == 1 and "do not lead to a package" in text and "Traceback" not in text
    assert memory < MEMORY


# Layers.


def damaged(image: Image, raw: bytes, made: Greeter, folder: Path) -> list[ImageDifference]:
    image.layers[0].raw = raw
    return found(image.save(folder / "a.tar"), made)


def blocks(image: Image) -> list[bytes]:
    return [member.encode() for member in image.layers[0].members]


def header(name: bytes, flag: bytes, size: int = 0, link: bytes = b"") -> bytes:
    """Return a header that fpack would not write."""
    made = writer.header(writer.TarEntry(name, writer.FILE, 0o644, size=size))
    return sealed(made[:156] + flag + link.ljust(100, b"\0") + made[257:])


def sealed(made: bytes) -> bytes:
    """Return the same with a checksum that is right."""
    return made[:148] + b"%06o\0 " % (sum(made[:148]) + 8 * 32 + sum(made[156:512])) + made[156:]


def pax(*records: bytes) -> bytes:
    """Return a header of attributes for the next member."""
    body = b""
    for record in records:
        length = len(record) + 2
        while len(b"%d %s\n" % (length, record)) != length:
            length += 1
        body += b"%d %s\n" % (length, record)
    return header(b"PaxHeaders/x", b"x", len(body)) + body + bytes(-len(body) % 512)


FILE = node("zz/evil", b"evil").encode()
TRICKS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "a name that climbs": (node("../../../etc/cron.d/evil", b"x").encode(), ("added", "../etc/cron.d/evil")),
    "an absolute name": (node("/etc/cron.d/evil", b"x").encode(), ("added", "//etc/cron.d/evil")),
    "a dot in a name": (node("./usr/bin/hello", b"x").encode(), ("added", "/./usr/bin/hello")),
    "a double slash": (node("usr//bin/hello", b"x").encode(), ("added", "/usr//bin/hello")),
    "a hard link": (header(b"zz/link", b"1", link=b"etc/passwd"), ("added", "a hard link to etc/passwd")),
    "a hard link with a size": (header(b"zz/link", b"1", size=1 << 30, link=b"x"), ("added", "a hard link")),
    "a device": (header(b"zz/sda", b"4"), ("added", "a block device")),
    "a fifo": (header(b"zz/pipe", b"6"), ("added", "a fifo")),
    "a sparse file": (header(b"zz/sparse", b"S", 1 << 30), ("unknown type",)),
    "a sparse file by attributes": (pax(b"GNU.sparse.major=1", b"GNU.sparse.realsize=9") + FILE, ("sparse",)),
    "a long name of GNU's": (header(b"././@LongLink", b"L", 9) + b"etc/evil\0".ljust(512, b"\0") + FILE, ("unknown",)),
    "a global header": (header(b"pax", b"g", 0) + FILE, ("unknown type",)),
    "another name by attributes": (pax(b"path=usr/bin/evil") + FILE, ("added", "/usr/bin/evil")),
    "another size by attributes": (pax(b"size=1048576") + FILE, ("truncated",)),
    "an endless size by attributes": (pax(b"size=" + b"9" * 30) + FILE, ("not a number",)),
    "a time by attributes": (pax(b"mtime=1.5") + FILE, ("added", "zz/evil")),
    "an extended attribute": (pax(b"SCHILY.xattr.security.capability=x") + FILE, ("added", "zz/evil")),
    "an attribute twice": (pax(b"path=a", b"path=b") + FILE, ("cannot be read",)),
    "attributes of nothing": (pax(b"path=a"), ("without a member",)),
    "attributes without end": (header(b"x", b"x", 1 << 30), ("too long",)),
    "attributes that are none": (header(b"x", b"x", 5) + b"12345".ljust(512, b"\0"), ("cannot be read",)),
    "a wrong checksum": (FILE[:5] + b"X" + FILE[6:], ("checksum",)),
    "a size in base 256": (sealed(FILE[:124] + b"\x80" + b"\xff" * 11 + FILE[136:]), ("not a number",)),
    "a size that is none": (sealed(FILE[:124] + b"x" * 12 + FILE[136:]), ("not a number",)),
    "a name of the owner": (sealed(FILE[:265] + b"root" + FILE[269:]), ("added",)),
    "an unknown type": (header(b"zz/odd", b"Z"), ("unknown type",)),
    "no name": (header(b"", b"0"), ("added",)),
    "one that is cut off": (node("zz/x", bytes(100)).encode()[:700], ("truncated",)),
}


@pytest.mark.parametrize("name", TRICKS)
def test_tricks_in_a_layer(image: Image, made: Greeter, tmp_path: Path, name: str) -> None:
    trick, words = TRICKS[name]
    end = b"" if "truncated" in words else writer.END
    findings = damaged(image, b"".join([*blocks(image), trick, end]), made, tmp_path)
    assert says(findings, *words), findings


def test_what_is_odd_about_an_entry_that_belongs_there_is_named(image: Image, made: Greeter, tmp_path: Path) -> None:
    layer, number = image.find("usr/bin/hello")
    own = layer.members[number].encode()
    for trick, words in {
        pax(b"SCHILY.xattr.security.capability=x") + own: "attribute SCHILY.xattr.security.capability",
        pax(b"uid=0") + pax(b"gid=0") + own: "two attribute headers",
        sealed(own[:265] + b"root" + own[269:]): "names its owner root",
        sealed(own[:108] + b"\x80" + bytes(7) + own[116:]): "base 256",
        sealed(own[:329] + b"0000777\0" + own[337:]): "unused fields",
        sealed(own[:257] + b"ustar  \0" + own[265:]): "not in ustar format",
    }.items():
        others = [member.encode() for member in layer.members]
        others[number] = trick
        layer.raw = b"".join([*others, writer.END])
        findings = found(image.save(tmp_path / "a.tar"), made)
        assert says(findings, "changed", "/usr/bin/hello", words), (words, findings)


def test_data_behind_the_end_of_a_layer_is_named(image: Image, made: Greeter, tmp_path: Path) -> None:
    whole = image.layers[0].tar
    # A second tar, which some readers would read on to.
    assert says(damaged(image, whole + FILE + writer.END, made, tmp_path), "after the end")
    padded = bytearray(whole)
    member = next(m for m in image.layers[0].members if m.content and len(m.content) % 512)
    at = whole.index(member.content) + len(member.content)
    padded[at] = 1
    image.layers[0].raw = None
    assert says(damaged(image, bytes(padded), made, tmp_path), "is not zero")


@pytest.mark.parametrize("suffix", ["", "+gzip", "+zstd", "+xz"])
def test_blobs_that_do_not_decompress(image: Image, made: Greeter, tmp_path: Path, suffix: str) -> None:
    image.layers[0].suffix = suffix
    for blob in (b"", b"\0" * 511, b"garbage" * 999, gzip.compress(b"x" * 10_000)[:50]):
        image.layers[0].blob = blob
        assert says(found(image.save(tmp_path / "a.tar"), made), "layer")


def test_too_many_entries_end_the_reading(image: Image, made: Greeter, tmp_path: Path) -> None:
    first = node("a").encode()
    many = b"".join(first[:1] + b"%07d" % n + first[8:] for n in range(51_000))
    fixed = bytearray(many)
    for at in range(0, len(fixed), 512):
        fixed[at : at + 512] = sealed(bytes(fixed[at : at + 512]))
    start = time.process_time()
    findings = damaged(image, bytes(fixed) + writer.END, made, tmp_path)
    assert findings and time.process_time() - start < 20


# The archive itself.


def test_members_of_an_archive_that_mislead(image: Image, made: Greeter, tmp_path: Path) -> None:
    names = json.loads(image.files()["manifest.json"])[0]["Layers"]
    evil = b'{"manifests":[]}'
    cases: dict[str, tuple[tarfile.TarInfo, bytes, str]] = {
        "twice": (info("index.json", len(evil)), evil, "occurs twice"),
        "with a dot": (info("./index.json", len(evil)), evil, "does not belong"),
        "that climbs": (info("../index.json", len(evil)), evil, "does not belong"),
        "absolute": (info("/etc/evil", len(evil)), evil, "does not belong"),
        "a symlink": (info("blobs/x", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b"", "a symlink"),
        "a hard link": (info("blobs/y", type=tarfile.LNKTYPE, linkname=names[0]), b"", "a hard link"),
        "a device": (info("blobs/z", type=tarfile.CHRTYPE), b"", "a character device"),
        "a directory": (info("evil/", type=tarfile.DIRTYPE), b"", "does not belong"),
    }
    for name, (header_, data, words) in cases.items():
        image.outer = [(header_, data)]
        assert says(found(image.save(tmp_path / "a.tar"), made), "archive", words), name


def test_files_that_are_no_archive(made: Greeter, tmp_path: Path) -> None:
    whole = made.tar.read_bytes()
    cases = {
        "empty": (b"", "not a tar"),
        "text": (b"hello\n" * 1000, "not a tar"),
        "gzip": (gzip.compress(whole), "compressed"),
        "zstd": (zstandard.ZstdCompressor().compress(whole), "compressed"),
        "cut": (whole[: len(whole) // 2], "truncated"),
        "zeros": (bytes(10_240), "not a tar"),
    }
    for name, (data, words) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(VerifyError) as error:
            verify_alone(tmp_path / name, made.manifest)
        assert words in str(error.value), name


def test_a_layout_with_links_and_pipes_in_it(image: Image, made: Greeter, tmp_path: Path) -> None:
    layout = image.save_layout(tmp_path / "layout")
    name = json.loads(image.files()["manifest.json"])[0]["Layers"][0]
    outside = tmp_path / "outside"
    (layout / name).rename(outside)
    (layout / name).symlink_to(outside)
    findings = found(layout, made)
    assert says(findings, "archive", name) and says(findings, "is missing")
    (layout / name).unlink()
    os.mkfifo(layout / name)
    assert says(found(layout, made), "is missing")
    (layout / name).unlink()
    (layout / name).mkdir()
    assert says(found(layout, made), "a directory")
    (layout / "index.json").unlink()
    (layout / "index.json").symlink_to("/dev/zero")
    assert says(found(layout, made), "index.json", "is missing")


def test_a_file_that_changes_while_it_is_read_is_no_fault(image: Image, made: Greeter, tmp_path: Path) -> None:
    from fpack.builders.verify.findings import Report
    from fpack.builders.verify.image_archive import LayoutArchive

    layout = image.save_layout(tmp_path / "layout")
    archive = LayoutArchive(layout, Report())
    (layout / "index.json").unlink()
    (layout / "index.json").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="index.json"):
        archive.open("index.json")


def test_names_cannot_steer_a_terminal(image: Image, made: Greeter, tmp_path: Path) -> None:
    image.layers[0].members.append(Node(b"zz\x1b[2J\x1b]0;evil\x07", tarfile.REGTYPE, 0o644, 0, 0, b"", b""))
    place = image.save(tmp_path / "a.tar")
    done = made.fpack("verify", place, status=1)
    assert "\x1b" not in done.stdout and "zz?[2J" in done.stdout
