"""Attacks by whoever can write to a cache, answers for it, or holds an old copy of it. Each must only cost a build."""

import hashlib
import io
import shutil
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import zstandard
from fpack.builders.attest.keys import ED25519, generate
from fpack.builders.caches import cache as caches
from fpack.builders.caches.cache import now
from fpack.builders.caches.cache_set import CacheSet
from fpack.builders.caches.check import check
from fpack.builders.caches.fetch import Fetcher
from fpack.builders.caches.format import index as indexes
from fpack.builders.caches.format.errors import BadContent, BadIndex, CacheError, RolledBack
from fpack.builders.caches.format.index import Index, IndexTag, decode, parse_tag
from fpack.builders.caches.format.records import DetachedFile, PathRecord, decode_record
from fpack.builders.caches.format.statements import (
    FORMAT,
    Realisation,
    SignedStatement,
    decode_claims,
    derivation_id,
    sign,
)
from fpack.builders.caches.substitution import CacheSubstituter
from fpack.builders.caches.unpack import unpack
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, BlobSource
from fpack.store import canonical
from fpack.store.derivation import Derivation
from fpack.store.path import StorePath
from support.stores.caches import GENERATION, KEY, Graph, Machine, machine
from support.traced_memory import peak_memory

MALLORY = generate(ED25519)


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path / "victim") as made:
        yield made


def no_blobs(file: DetachedFile) -> AbstractContextManager[Iterable[bytes]]:
    raise AssertionError(file)


def compress(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=True).compress(data)


def tar_of(*members: tuple[str, bytes, str]) -> bytes:
    """Make a tar of (name, type, content or target), without its end."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            if kind == tarfile.REGTYPE:
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
            else:
                info.linkname = text
                tar.addfile(info)
    data = out.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512)


def record_of(machine_: Machine, path: StorePath) -> PathRecord:
    machine_.cache.refresh()
    found = machine_.cache.record(path.base)
    assert found is not None
    return found


def publish(producer: Machine, record: PathRecord, data: bytes, statements: tuple[SignedStatement, ...] = ()) -> None:
    """Publish a record whose blob is `data`, newer than any other."""
    digest = hashlib.sha256(data)
    repository = producer.cache.repository
    source = BlobSource(f"sha256:{digest.hexdigest()}", len(data), lambda offset: iter((data[offset:],)))
    repository.write_blob(source)
    record = record._replace(blob=digest.digest(), blob_size=len(data), offset=0, length=len(data))
    time.sleep(0.002)
    producer.cache.publish(Index(now(), {record.path.base: record.encode()}, statements))


def is_safe(victim: Machine, graph: Graph, *outputs: object, expected: list[StorePath]) -> None:
    """Check that the victim builds what no cache gives it, with the paths that it would get without caches."""
    assert victim.build(graph, *outputs) == expected  # type: ignore[arg-type]
    assert victim.builder.built


def test_wrong_content_is_refused(producer: Machine, victim: Machine, graph: Graph) -> None:
    top = graph.add("top", "the right text")
    built = producer.build(graph, top)
    producer.push(built)
    record = record_of(producer, built[0])
    tar = tar_of((record.prefix, tarfile.DIRTYPE, ""), (f"{record.prefix}/text", tarfile.REGTYPE, "the wrong text"))
    publish(producer, record._replace(raw=len(tar), size=14), compress(tar))
    is_safe(victim, graph, top, expected=built)
    assert any("wrong content" in text for text in victim.warnings)


def test_one_wrong_path_among_many_of_a_pack_is_refused(producer: Machine, tmp_path: Path, graph: Graph) -> None:
    outputs = [graph.add(f"p{number}", f"text {number}") for number in range(50)]
    built = producer.build(graph, *outputs)
    producer.push(built)
    record = record_of(producer, built[20])
    assert len({record_of(producer, path).blob for path in built}) == 1

    class Changing(DirectoryRepository):
        def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
            data = bytearray(b"".join(super().read_blob(entry, offset, length)))
            if entry.digest == record.blob_digest:
                data[record.offset - offset + record.length // 2] ^= 1
            yield bytes(data)

    with machine(tmp_path / "victim", Changing(tmp_path / "cache")) as victim:
        victim.cache.refresh()
        fetcher = Fetcher(victim.store, CacheSet([victim.cache], victim.warnings.append), victim.warnings.append)
        with pytest.raises(BadContent):
            fetcher.fetch(built)
        assert sum("wrong content" in text for text in victim.warnings) == 2  # among the others, and alone
        rest = [path for path in built if path != record.path]
        assert set(fetcher.fetch(rest)) == set(rest)
        fetcher.close()
        assert victim.store.info(record.path) is None
        assert all(victim.store.tree(path).read("text", 100) for path in rest)


def test_a_server_that_changes_bytes_is_refused(producer: Machine, tmp_path: Path, graph: Graph) -> None:
    top = graph.add("top")
    built = producer.build(graph, top)
    producer.push(built)

    class Changing(DirectoryRepository):
        def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
            for piece in super().read_blob(entry, offset, length):
                yield piece[:-9] + bytes([piece[-9] ^ 1]) + piece[-8:] if length else piece

    with machine(tmp_path / "v", Changing(tmp_path / "cache")) as victim:
        is_safe(victim, graph, top, expected=built)


def test_another_tree_under_the_right_name_is_refused(producer: Machine, victim: Machine, graph: Graph) -> None:
    top, other = graph.add("top", "right"), graph.add("top", "other")
    built = producer.build(graph, top)
    producer.push(built)
    wrong = producer.build(graph, other)
    producer.push(wrong)
    theirs = record_of(producer, wrong[0])
    # The record of the other tree under this path: the path proves that it is wrong, before anything is fetched.
    with pytest.raises(BadIndex):
        decode_record(built[0].base, theirs.encode())
    # The right record, with the blob of the other tree.
    right = record_of(producer, built[0])
    mixed = right._replace(
        blob=theirs.blob, blob_size=theirs.blob_size, offset=theirs.offset, length=theirs.length, raw=theirs.raw,
        prefix=theirs.prefix,
    )  # fmt: skip
    time.sleep(0.002)
    producer.cache.publish(Index(now(), {built[0].base: mixed.encode()}))
    is_safe(victim, graph, top, expected=built)


def evil_claims(graph: Graph, top: object, path: StorePath) -> list[Realisation]:
    return [Realisation(derivation_id(GENERATION, top.derivation), "out", path.base)]  # type: ignore[attr-defined]


def forged(rows: list[Realisation], real: SignedStatement) -> dict[str, SignedStatement]:
    mine = sign(MALLORY, now(), rows)
    return {
        "signed by a stranger": mine,
        "under another's name": mine._replace(spki=KEY.public.spki),
        "with a replayed signature": mine._replace(spki=KEY.public.spki, signature=real.signature),
        "without a signature": mine._replace(spki=KEY.public.spki, signature=b""),
        "with an empty key": mine._replace(spki=b""),
    }


@pytest.mark.parametrize("how", sorted(forged([], sign(KEY, 0, []))))
def test_a_wrong_realisation_is_refused(producer: Machine, victim: Machine, graph: Graph, how: str) -> None:
    top, evil = graph.add("top", "right"), graph.add("top", "evil")
    expected = producer.build(graph, top)
    wrong = producer.build(graph, evil)
    producer.push(wrong)
    real = producer.cache.indexes[0][1].statements[0]
    statement = forged(evil_claims(graph, top, wrong[0]), real)[how]
    producer.cache.publish(Index(now(), {}, (statement,)))
    is_safe(victim, graph, top, expected=expected)


def test_a_signers_latest_word_counts(producer: Machine, victim: Machine, graph: Graph) -> None:
    """A signer has corrected a realisation. The old statement is true no more, although its signature is."""
    top, evil = graph.add("top", "right"), graph.add("top", "evil")
    right, wrong = producer.build(graph, top), producer.build(graph, evil)
    producer.push([*right, *wrong], None)
    old = sign(KEY, now() - 5000, evil_claims(graph, top, wrong[0]))
    new = sign(KEY, now() - 1000, evil_claims(graph, top, right[0]))
    producer.cache.publish(Index(now() - 900, {}, (new,)))
    producer.cache.publish(Index(now(), {}, (old,)))  # replayed
    assert victim.build(graph, top) == right


@pytest.mark.parametrize("age", [400 * 86_400_000, -2 * 86_400_000])
def test_an_old_or_future_statement_does_not_count(producer: Machine, tmp_path: Path, graph: Graph, age: int) -> None:
    from fpack.builders.caches.cache import Cache, CacheFiles

    top, evil = graph.add("top", "right"), graph.add("top", "evil")
    right, wrong = producer.build(graph, top), producer.build(graph, evil)
    producer.push(wrong, None)
    producer.cache.publish(Index(now(), {}, (sign(KEY, now() - age, evil_claims(graph, top, wrong[0])),)))
    with machine(tmp_path / "victim") as victim:
        files = CacheFiles(tmp_path / "victim" / "c", tmp_path / "victim" / "m")
        victim.cache = Cache("test:cache", producer.cache.repository, [KEY.public], files, max_age=365)
        is_safe(victim, graph, top, expected=right)


def test_a_cache_that_is_rolled_back_is_not_used(
    producer: Machine, victim: Machine, graph: Graph, tmp_path: Path
) -> None:
    one, two = graph.add("one"), graph.add("two")
    producer.push(producer.build(graph, one))
    shutil.copytree(tmp_path / "cache", tmp_path / "old")
    time.sleep(0.002)
    producer.push(producer.build(graph, two))
    victim.build(graph, two)
    assert victim.builder.built == []
    # The next command meets the old state, in which the newest statement is missing.
    repository = DirectoryRepository(tmp_path / "old")
    with pytest.raises(RolledBack):
        victim.open(repository).refresh()
    victim.open(repository)
    victim.build(graph, one)
    assert victim.builder.built == ["one"]
    assert any("older state" in text for text in victim.warnings)
    # Nothing at all is an older state, too.
    with pytest.raises(RolledBack):
        victim.open(DirectoryRepository(tmp_path / "empty")).refresh()
    assert victim.cache.memory.forget()
    victim.open(repository).refresh()


HOSTILE: dict[str, Callable[[str], bytes]] = {
    "a name that leads out": lambda p: tar_of(
        (p, tarfile.DIRTYPE, ""), (f"{p}/../../../../../../../../tmp/escaped", tarfile.REGTYPE, "x")
    ),
    "an absolute name": lambda p: tar_of((p, tarfile.DIRTYPE, ""), ("/tmp/escaped", tarfile.REGTYPE, "x")),
    "a name beside": lambda p: tar_of((p, tarfile.DIRTYPE, ""), (f"{p}x/escaped", tarfile.REGTYPE, "x")),
    "a link that is followed": lambda p: tar_of(
        (p, tarfile.DIRTYPE, ""), (f"{p}/out", tarfile.SYMTYPE, "/tmp"), (f"{p}/out/escaped", tarfile.REGTYPE, "x")
    ),
    "a hard link": lambda p: tar_of((p, tarfile.DIRTYPE, ""), (f"{p}/hard", tarfile.LNKTYPE, "/etc/passwd")),
    "a device": lambda p: tar_of((p, tarfile.DIRTYPE, ""), (f"{p}/null", tarfile.CHRTYPE, "")),
    "a name twice": lambda p: tar_of(
        (p, tarfile.DIRTYPE, ""), (f"{p}/a", tarfile.REGTYPE, "x"), (f"{p}/a", tarfile.REGTYPE, "y")
    ),
    "a file as a directory": lambda p: tar_of(
        (p, tarfile.DIRTYPE, ""), (f"{p}/a", tarfile.REGTYPE, "x"), (f"{p}/a/b", tarfile.REGTYPE, "y")
    ),
    "no member": lambda p: b"",
    "no tar": lambda p: b"x" * 1024,
    "a truncated tar": lambda p: tar_of((f"{p}/a", tarfile.REGTYPE, "x" * 1000))[:700],
}


@pytest.mark.parametrize("how", sorted(HOSTILE))
@pytest.mark.parametrize("streamed", [False, True])
def test_a_hostile_tar_is_refused(
    producer: Machine, graph: Graph, how: str, streamed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if streamed:
        monkeypatch.setattr("fpack.builders.caches.unpack.IN_MEMORY", -1)
    built = producer.build(graph, graph.add("top"))
    producer.push(built)
    right = record_of(producer, built[0])
    tar = HOSTILE[how](right.prefix)
    data = compress(tar)
    record = right._replace(raw=len(tar), size=1 << 20, length=len(data), offset=0)
    with pytest.raises(BadContent):
        unpack([(record, producer.store.writer())], iter([data]), no_blobs)
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize("streamed", [False, True])
def test_an_absolute_name_in_a_tree_that_mentions_its_own_path_is_refused(
    producer: Machine, graph: Graph, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if streamed:
        monkeypatch.setattr("fpack.builders.caches.unpack.IN_MEMORY", -1)
    built = producer.build(graph, graph.add("top"))
    producer.push(built)
    right = record_of(producer, built[0])
    tar = tar_of((right.prefix, tarfile.DIRTYPE, ""), (f"{right.prefix}//x", tarfile.REGTYPE, "x"))
    data = compress(tar)
    tree = producer.store.writer()
    tree.file("x", [b"x"])
    record = right._replace(
        raw=len(tar), size=1, length=len(data), offset=0, output="out", tree=tree.finish(top=False)
    )  # fmt: skip
    with pytest.raises(BadContent):
        unpack([(record, producer.store.writer())], iter([data]), no_blobs)


@pytest.mark.parametrize("raw", [1000, 100 << 20])
def test_a_bomb_is_refused(producer: Machine, graph: Graph, raw: int) -> None:
    """A frame that declares little and expands, and one whose record declares a lot of what its files may not have."""
    built = producer.build(graph, graph.add("top"))
    producer.push(built)
    right = record_of(producer, built[0])
    compressor = zstandard.ZstdCompressor().compressobj()
    bomb = compressor.compress(tar_of((f"{right.prefix}/a", tarfile.REGTYPE, "x"))) + compressor.compress(
        bytes(64 << 20)
    )
    bomb += compressor.flush()
    record = right._replace(raw=raw, length=len(bomb), offset=0)
    with pytest.raises(BadContent):
        unpack([(record, producer.store.writer())], iter([bomb]), no_blobs)


def test_an_index_bomb_is_refused() -> None:
    blob = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(indexes.MAX_INDEX + 1))
    with pytest.raises(BadIndex):
        decode(blob, "x")
    stream = zstandard.ZstdCompressor().compressobj()
    with pytest.raises(BadIndex):
        decode(stream.compress(bytes(1 << 20)) + stream.flush(), "x")


MANY = b"\xdd\x04\x00\x00\x00" + b"\x90" * (60 << 20)  # a list of empty lists
PATHS = b"\x85\xa6format\x01\xa5paths"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(MANY, id="no record"),
        pytest.param(PATHS + b"\xdf\x04\x00\x00\x00" + b"\xa0\xc4\x00" * (20 << 20), id="short names"),
        pytest.param(PATHS + b"\x80\xaastatements" + MANY, id="statements"),
        pytest.param(PATHS + b"\x80\xaastatements\x90\xa8subsumes" + MANY, id="tags"),
        pytest.param(b"\x91" * 100_000, id="nested lists"),
    ],
)
def test_an_index_of_many_small_values_is_refused_before_they_are_built(body: bytes) -> None:
    """Each byte would become dozens of bytes of memory."""
    blob = compress(body)

    def refuse() -> None:
        with pytest.raises(BadIndex):
            decode(blob, "x")

    assert peak_memory(refuse) < 3 * len(body) + (1 << 20)


def test_a_statement_of_many_small_values_is_refused_before_they_are_built() -> None:
    payload = (
        b"\x83\xa6format" + canonical.encode(FORMAT) + b"\xacrealisations\xdd\x00\x08\x00\x00" + b"\x90" * (1 << 19)
    )

    def refuse() -> None:
        with pytest.raises(BadIndex):
            decode_claims(SignedStatement(b"", payload, b""))

    assert peak_memory(refuse) < 4 << 20


def test_derivations_that_nobody_signed_are_not_recorded(producer: Machine, victim: Machine, graph: Graph) -> None:
    """The index says which derivations made a path. Who can write it could name any."""
    top = graph.add("top")
    built = producer.build(graph, top)
    producer.push(built)
    true = graph.bodies[top.derivation]
    false = Derivation("tree", "other", {"text": "false", "uses": []}).encode()
    time.sleep(0.002)
    lists = {built[0].base: canonical.encode([true, false, b"no derivation"])}
    producer.cache.publish(Index(now(), {}, derivations=lists))
    victim.cache.refresh()
    substituter = CacheSubstituter(victim.store, [victim.cache], GENERATION)
    offer = substituter.of_derivation(top.derivation, ["out"])
    assert offer is not None and list(offer.fetch(lambda done, total: None, lambda: None).values()) == built
    made = offer.makers()
    substituter.close()
    assert made.outputs == {top: built[0]} and made.bodies == {top.derivation: true}


def test_a_huge_index_is_not_fetched() -> None:
    assert parse_tag(str(IndexTag(now(), indexes.MAX_BLOB + 1, "0" * 64))) is None
    assert parse_tag(str(IndexTag(now(), 1000, "0" * 64))) is not None


def test_an_index_that_is_not_valid_is_passed_over(producer: Machine, victim: Machine, graph: Graph) -> None:
    top = graph.add("top")
    built = producer.build(graph, top)
    producer.push(built)
    repository = producer.cache.repository
    for data in (
        b"not zstd",
        compress(b"not msgpack"),
        compress(canonical.encode({"format": 2})),
        compress(canonical.encode({"format": 1, "time": 1, "paths": [], "statements": [], "subsumes": []})),
        compress(canonical.encode({"format": 1, "time": 1, "paths": {}, "statements": [1], "subsumes": []})),
    ):
        digest = hashlib.sha256(data).hexdigest()
        source = BlobSource(f"sha256:{digest}", len(data), lambda offset, data=data: iter((data[offset:],)))  # type: ignore[misc]
        repository.write_blob(source)
        value = '{"schemaVersion":2,"layers":[]}'
        repository.write_manifest(
            value.encode(), "application/vnd.oci.image.manifest.v1+json", str(IndexTag(now(), len(data), digest))
        )
    assert victim.build(graph, top) == built
    assert victim.builder.built == []
    assert len(victim.warnings) == 5


def test_a_record_with_more_bytes_than_the_disk_is_refused(producer: Machine, victim: Machine, graph: Graph) -> None:
    top = graph.add("top")
    built = producer.build(graph, top)
    producer.push(built)
    record = record_of(producer, built[0])
    time.sleep(0.002)
    producer.cache.publish(Index(now(), {built[0].base: record._replace(size=1 << 60).encode()}))
    is_safe(victim, graph, top, expected=built)


def test_indexes_that_are_too_large_together_are_passed_over(
    producer: Machine, victim: Machine, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small blobs that declare much would fill the memory."""
    top = graph.add("top")
    built = producer.build(graph, top)
    producer.push(built)
    for _ in range(3):
        time.sleep(0.002)
        producer.cache.publish(Index(now(), {"x": bytes(1 << 20)}))
    monkeypatch.setattr(caches, "MAX_DECODED", 1 << 20)
    victim.cache.refresh()
    assert sum("too large together" in text for text in victim.warnings) == 3
    assert victim.build(graph, top) == built and victim.builder.built == []


def test_a_part_that_is_much_larger_than_its_tar_is_refused(producer: Machine, graph: Graph) -> None:
    """A small tar is read in memory, so its part must not have any size."""
    built = producer.build(graph, graph.add("top"))
    producer.push(built)
    record = record_of(producer, built[0])
    large = record._replace(blob_size=1 << 40, offset=0, length=record.raw + (1 << 20))
    with pytest.raises(BadIndex):
        decode_record(built[0].base, large.encode())


def test_a_statement_of_an_unknown_kind_of_key_is_counted_as_unsigned(producer: Machine, graph: Graph) -> None:
    producer.push(producer.build(graph, graph.add("top")))
    spki = bytes.fromhex("300a3005 06032a0304 0301 00".replace(" ", ""))  # no known algorithm
    time.sleep(0.002)
    producer.cache.publish(Index(now(), {}, (SignedStatement(spki, b"payload", bytes(64)),)))
    assert check(producer.cache).unsigned == 1


def test_a_check_names_indexes_that_are_not_valid_and_a_cache_without_any(producer: Machine, graph: Graph) -> None:
    """A check of a wrong address must not succeed."""
    assert [fault.base for fault in check(producer.cache).faults] == [""]
    producer.push(producer.build(graph, graph.add("top")))
    assert check(producer.cache).faults == ()
    data = compress(b"not msgpack")
    tag = IndexTag(now(), len(data), hashlib.sha256(data).hexdigest())
    repository = producer.cache.repository
    repository.write_blob(BlobSource(f"sha256:{tag.digest}", len(data), lambda offset: iter((data[offset:],))))
    kind = "application/vnd.oci.image.manifest.v1+json"
    repository.write_manifest(b'{"schemaVersion":2,"layers":[]}', kind, str(tag))
    (fault,) = check(producer.open(repository)).faults
    assert str(tag) in fault.what


def test_a_part_that_is_larger_than_the_disk_is_refused(producer: Machine, victim: Machine, graph: Graph) -> None:
    """A large part is stored while it arrives, unless the cache is a directory here."""
    victim.cache.is_here = False
    built = producer.build(graph, graph.add("top"))
    producer.push(built)
    record = record_of(producer, built[0])
    time.sleep(0.002)
    large = record._replace(blob_size=1 << 60, offset=0, length=1 << 60, raw=1 << 60)
    producer.cache.publish(Index(now(), {built[0].base: large.encode()}))
    victim.cache.refresh()
    fetcher = Fetcher(victim.store, CacheSet([victim.cache], victim.warnings.append))
    try:
        with pytest.raises(CacheError, match="not enough space"):
            fetcher.fetch(built)
    finally:
        fetcher.close()
