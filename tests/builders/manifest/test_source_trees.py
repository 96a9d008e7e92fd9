"""A layer holds a source if exactly the source's entries stand below one path of it, and only then."""

from __future__ import annotations

from collections.abc import Iterator

from blake3 import blake3
from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK, Blob, ManifestEntry, ManifestLayer
from fpack.builders.manifest.source_trees import SourceInLayer, find
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Node, tree_digest
from hypothesis import given
from hypothesis import strategies as st

FILES = "/fpack/store/00000000000000000000000000000000-files"
NAMES = st.binary(min_size=1, max_size=3).filter(
    lambda name: not {0, ord("/")} & set(name) and name not in (b".", b"..")
)
LEAVES = st.one_of(
    st.builds(lambda data, x: FileNode(blake3(data).digest(), len(data), x), st.binary(max_size=3), st.booleans()),
    st.binary(min_size=1, max_size=4).filter(lambda target: 0 not in target),
)
TREES = st.recursive(LEAVES, lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12)


def entries(node: Node, path: bytes) -> Iterator[ManifestEntry]:
    """Yield the entries of a tree at a path."""
    blank = ManifestEntry(path, DIRECTORY, 0o755, 0, 0, 0, b"", b"", b"", 0)
    if isinstance(node, FileNode):
        mode = 0o755 if node.executable else 0o644
        yield blank._replace(kind=FILE, mode=mode, size=node.size, blake3=node.digest)
    elif isinstance(node, bytes):
        yield blank._replace(kind=SYMLINK, mode=0o777, target=node)
    else:
        yield blank
        for name, below in node.items():
            yield from entries(below, path + b"/" + name)


def layer(*rows: ManifestEntry, part: str = FILES) -> tuple[ManifestLayer, list[ManifestEntry]]:
    srv = ManifestEntry(b"srv", DIRECTORY, 0o755, 0, 0, 0, b"", b"", b"", None)
    found = sorted([srv, *rows], key=lambda row: row.path)
    about = ManifestLayer(Blob("", "", 0), "", 0, part, "", ((part, ""),), len(found))
    return about, found


@given(TREES)
def test_a_tree_is_found_where_it_stands(node: Node) -> None:
    digest = tree_digest(node).hex()
    # A target that no generated link has.
    layers = [layer(*entries({b"other": b"another link"}, b"srv/x")), layer(*entries(node, b"srv/top"))]
    executable = isinstance(node, FileNode) and node.executable
    assert find(layers, {FILES}, {digest}) == {digest: SourceInLayer(1, b"srv/top", executable)}
    assert find(layers, set(), {digest}) == {}, "no layer has files of the project"


@given(st.dictionaries(NAMES, TREES, min_size=1, max_size=4), NAMES)
def test_a_tree_with_other_entries_below_it_is_not(node: dict[bytes, Node], name: bytes) -> None:
    digest = tree_digest(node).hex()
    rows = [row for row in entries(node, b"srv/top") if row.path != b"srv/top/" + name]
    more = ManifestEntry(b"srv/top/" + name, FILE, 0o644, 0, 0, 4, bytes(32), bytes(32), b"", None)
    # The additional entry is in the layer, whatever part it comes from.
    assert find([layer(*rows, more)], {FILES}, {digest}) == {}


def test_a_file_counts_whatever_its_mode_is_in_the_image() -> None:
    content = blake3(b"x").digest()
    for source in (True, False):
        digest = tree_digest(FileNode(content, 1, source)).hex()
        for image in (True, False):
            rows = entries(FileNode(content, 1, image), b"srv/run")
            assert find([layer(*rows)], {FILES}, {digest}) == {digest: SourceInLayer(0, b"srv/run", source)}
            # Below a directory, the source decides.
            folder = tree_digest({b"run": FileNode(content, 1, source)}).hex()
            found = find([layer(*entries({b"run": FileNode(content, 1, image)}, b"srv/d"))], {FILES}, {folder})
            assert (folder in found) == (source == image)
