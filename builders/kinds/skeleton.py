"""Build the `skeleton` kind: the part of a project's source on which only its dependencies depend.

What is compiled from a skeleton is compiled again when a dependency changes, and not when the project's own code does:
the skeleton's path follows from its content, so both edits and checkouts that leave it equal share what was built.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from blake3 import blake3
from fpack.builders import arguments
from fpack.builders.exec.cargo_skeleton import cargo_skeleton
from fpack.builders.exec.go_skeleton import go_skeleton
from fpack.builders.exec.node_skeleton import node_skeleton
from fpack.builders.exec.skeleton import Skeleton, SourceFiles
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Node
from fpack.store.path import StorePath

VERSION = 1


class SkeletonArgs(NamedTuple):
    """The arguments. source: a directory. language: go, node or rust. vendor: the directory of crates."""

    source: StorePath
    language: str
    vendor: str = "vendor"


class SkeletonBuilder(BaseBuilder):
    """The builder of `skeleton`."""

    version = VERSION

    def build(self, task: Task) -> Built:
        """Link the files that stay, and write the others."""
        args = arguments.read(SkeletonArgs, task.args)
        tree = task.tree(args.source)
        nodes = dict(_entries(tree.node()))

        def read(path: str) -> bytes:
            task.check()
            node = nodes[path]
            if not isinstance(node, FileNode):
                return b""  # a symlink: its target has the content
            content = (tree.disk / path).read_bytes()
            if blake3(content).digest() != node.digest:
                raise tree.damaged(path)
            return content

        skeleton = _skeleton(SourceFiles(sorted(nodes), read), args)
        writer = task.writer()
        writer.mkdir("")
        for path in sorted(set(skeleton.keep)):
            node = nodes[path]
            if isinstance(node, FileNode):
                writer.link(path, node, tree.disk / path)
            elif isinstance(node, bytes):
                writer.symlink(path, os.fsdecode(node))
        for path, text in sorted(skeleton.texts.items()):
            writer.file(path, [text.encode()])
        return Built(writer)


def _skeleton(source: SourceFiles, args: SkeletonArgs) -> Skeleton:
    if args.language == "go":
        return go_skeleton(source)
    if args.language == "node":
        return node_skeleton(source)
    if args.language == "rust":
        return cargo_skeleton(source, args.vendor)
    hint = "the languages are go, node and rust"
    raise BuildError(f"There is no skeleton of the language {args.language!r}", hint=hint)


def _entries(node: Node, start: str = "") -> Iterator[tuple[str, Node]]:
    """Yield the path and node of each file and symlink. A source that is one file has none."""
    if isinstance(node, dict):
        for name, below in node.items():
            path = start + os.fsdecode(name)
            if isinstance(below, dict):
                yield from _entries(below, f"{path}/")
            else:
                yield path, below
