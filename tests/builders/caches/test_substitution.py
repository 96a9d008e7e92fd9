"""Builds take what trusted signers say from caches, and build the rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fpack.builders.attest.keys import ED25519, generate
from fpack.builders.caches.format import index as indexes
from fpack.builders.caches.substitution import CacheSubstituter
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.protocol import Builder
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store import canonical
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.files.tree import scan, tree_digest
from support.stores.caches import GENERATION, KEY, Graph, Machine, machine
from support.stores.recorder import Recorder

OTHER = generate(ED25519)


@pytest.fixture
def consumer(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path / "consumer") as made:
        yield made


def test_a_closure_is_substituted(producer: Machine, consumer: Machine, graph: Graph) -> None:
    base = graph.add("base")
    tops = [graph.add(f"top{number}", "text " * number, [base]) for number in range(5)]
    built = producer.build(graph, *tops)
    result = producer.push(built)
    assert len(result.pushed) == 6
    assert consumer.build(graph, *tops) == built
    assert consumer.builder.built == []
    for path in consumer.store.closure(built):
        info = consumer.store.info(path)
        assert info is not None
        assert tree_digest(scan(str(consumer.store.disk(path)))) == info.tree
    assert consumer.warnings == []


def test_an_unchanged_input_is_substituted_and_the_rest_built(
    producer: Machine, consumer: Machine, graph: Graph
) -> None:
    base = graph.add("base")
    producer.push(producer.build(graph, base))
    top = graph.add("top", "new", [base])
    consumer.build(graph, top)
    assert consumer.builder.built == ["top"]


def test_a_key_of_the_resolved_derivation_is_enough(producer: Machine, consumer: Machine) -> None:
    """Another unresolved derivation, whose inputs come out the same."""
    one, two = Graph(), Graph()
    first = one.add("top", "t", [one.add("base", "same")])
    producer.push(producer.build(one, first))
    # The same output of base from a derivation of another kind is not in the cache.
    second = two.add("top", "t", [two.add("base", "same")])
    assert consumer.build(two, second) == producer.build(one, first)
    assert consumer.builder.built == []


def test_a_signer_who_is_not_trusted_is_not_believed(producer: Machine, tmp_path: Path, graph: Graph) -> None:
    top = graph.add("top")
    producer.push(producer.build(graph, top), OTHER)
    with machine(tmp_path / "consumer") as consumer:
        consumer.build(graph, top)
        assert consumer.builder.built == ["top"]


def test_without_a_key_only_content_is_pushed(producer: Machine, consumer: Machine, graph: Graph) -> None:
    top = graph.add("top")
    result = producer.push(producer.build(graph, top), None)
    assert (len(result.pushed), result.realisations) == (1, 0)
    consumer.build(graph, top)
    assert consumer.builder.built == ["top"]


@pytest.mark.parametrize(("signers", "is_built"), [([KEY], True), ([KEY, OTHER], False)])
def test_a_threshold_counts_signers(
    producer: Machine, tmp_path: Path, graph: Graph, signers: list[object], is_built: bool
) -> None:
    top = graph.add("top")
    built = producer.build(graph, top)
    for key in (KEY, OTHER):
        producer.push(built, key)
    # The same words of one signer in two caches count once.
    with machine(tmp_path / "consumer", keys=signers) as consumer:  # type: ignore[arg-type]
        other = consumer.open(consumer.cache.repository, "test:other")
        first = consumer.open(consumer.cache.repository)
        assert consumer.build(graph, top, caches=[first, other], threshold=2) == built
        assert consumer.builder.built == (["top"] if is_built else [])


def test_a_push_writes_only_what_the_cache_lacks(producer: Machine, graph: Graph) -> None:
    base = graph.add("base")
    producer.push(producer.build(graph, base))
    top = graph.add("top", "", [base])
    result = producer.push(producer.build(graph, top))
    assert [path.name for path in result.pushed] == ["top"]
    again = producer.push(producer.build(graph, top))
    assert (again.pushed, again.written, again.realisations) == ((), 0, 0)


def test_many_pushes_are_compacted(producer: Machine, consumer: Machine, graph: Graph) -> None:
    built = []
    tops = [graph.add(f"top{number}") for number in range(70)]
    for top in tops:
        (path,) = producer.build(graph, top)
        built.append(path)
        producer.push([path])
    assert len(producer.cache.repository.tags("i-")) <= 64
    assert consumer.build(graph, *tops) == built
    assert consumer.builder.built == []


def test_a_dead_cache_costs_one_attempt(tmp_path: Path, graph: Graph) -> None:
    from fpack.builders.distribution.protocol import Unavailable

    class Dead(DirectoryRepository):
        asked = 0

        def tags(self, prefix: str = "") -> list[str]:
            self.asked += 1
            raise Unavailable("It does not answer", where="dead")

    dead = Dead(tmp_path / "dead")
    with machine(tmp_path / "m", dead) as made:
        tops = [graph.add(f"top{number}") for number in range(5)]
        made.build(graph, *tops)
        assert dead.asked == 1
        assert len(made.warnings) == 1
        # The next command does not ask it either.
        made.open(dead)
        made.build(graph, graph.add("next"))
        assert dead.asked == 1


def test_a_cache_that_dies_in_the_middle(producer: Machine, tmp_path: Path, graph: Graph) -> None:
    from fpack.builders.distribution.protocol import BlobEntry, Unavailable

    tops = [graph.add(f"top{number}", "x" * (2 << 20)) for number in range(4)]
    built = producer.build(graph, *tops)
    producer.push(built)

    class Dying(DirectoryRepository):
        left = 3

        def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
            self.left -= 1
            if self.left < 0:
                raise Unavailable("It does not answer", where="dying")
            return super().read_blob(entry, offset, length)

    with machine(tmp_path / "m", Dying(tmp_path / "cache")) as made:
        assert made.build(graph, *tops) == built
        assert made.builder.built


def test_builds_push_what_caches_are_asked_for(producer: Machine, graph: Graph) -> None:
    """An output that each machine builds itself is pushed only if it was to be built."""
    producer.local_kinds = ["tree"]
    inner = graph.add("inner")
    text = Derivation("text", "outer", {"text": "outer"}, (inner,)).encode()
    graph.bodies[digest(text)] = text
    outer = Output(digest(text))
    (path,) = producer.build(graph, outer, push_to=producer.cache)
    producer.cache.refresh()
    built = producer.store.built([inner])
    assert built is not None and producer.cache.has(path) and not producer.cache.has(built[0])
    producer.build(graph, graph.add("another"), push_to=producer.cache)
    assert [base[33:] for _, index in producer.cache.indexes for base in index.paths if base.endswith("another")]
    assert producer.cache.repository.tags("b-") == []


def test_derivations_that_builders_made_are_known_where_their_outputs_were_fetched(
    producer: Machine, tmp_path: Path, graph: Graph
) -> None:
    """A manifest names the derivations of layers, which no evaluation gives."""
    inner = graph.add("inner")
    outer = graph.add("outer", "", [inner])
    (path,) = producer.build(graph, outer)
    producer.push([path])
    evaluated = Graph()
    evaluated.bodies[outer.derivation] = graph.bodies[outer.derivation]  # the reader's evaluation gave no more
    with machine(tmp_path / "reader") as reader:
        assert reader.build(evaluated, outer) == [path]
        assert reader.store.database.built(inner) == producer.store.database.built(inner)
        made = reader.store.derivation(inner.derivation)
        assert made is not None and made.name == "inner"


def test_indexes_of_the_first_format_are_read_and_written_without_derivations(graph: Graph) -> None:
    name = f"{'0' * 32}-x"
    old = {"format": 1, "time": 1, "paths": {name: b"r"}, "statements": [], "subsumes": []}
    index = indexes.decode(zstandard.ZstdCompressor().compress(canonical.encode(old)), "x")
    assert index == indexes.Index(1, {name: b"r"}) and canonical.decode(index.body()) == old
    new = index._replace(derivations={name: canonical.encode([b"body"])})
    assert indexes.decode(new.encode(), "x") == new and new.makers(name) == [b"body"]
    joined = indexes.merged([index._replace(time=2), new], 3)
    assert joined.derivations == new.derivations


def test_the_files_of_a_directory_are_not_copied(producer: Machine, consumer: Machine, graph: Graph) -> None:
    """Only copies of what a server has save requests."""
    top = graph.add("top")
    built = producer.build(graph, top)
    producer.push(built)
    assert consumer.build(graph, top) == built
    assert not (consumer.place / "copies").exists()


def test_no_builder_is_asked_for_what_a_cache_has(producer: Machine, consumer: Machine, graph: Graph) -> None:
    """Importing a builder takes longer than fetching a small path."""

    class Untouched(dict[str, Builder]):
        def __missing__(self, kind: str) -> Builder:
            raise AssertionError(f"{kind} is not needed")

        def get(self, kind: str, default: object = None) -> Any:
            return self[kind]

    top = graph.add("top", "", [graph.add("base")])
    built = producer.build(graph, top)
    producer.push(built)
    caches = CacheSubstituter(consumer.store, [consumer.cache], GENERATION)
    try:
        made = Scheduler(
            consumer.store, Untouched(), Recorder(), assemble=assemble, bodies=graph.bodies, substituter=caches
        ).realise([top])
    finally:
        caches.close()
    assert made == built
