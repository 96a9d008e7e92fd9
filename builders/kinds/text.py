"""Build the `text` kind: a file whose content is an argument of the derivation."""

from __future__ import annotations

from typing import NamedTuple

from fpack.builders import arguments
from fpack.builders.protocol import BaseBuilder, Built, Task
from fpack.store import path as store_path

VERSION = 1


class TextArgs(NamedTuple):
    """The arguments."""

    text: str
    executable: bool = False


class TextBuilder(BaseBuilder):
    """The builder of `text`. The file references the store paths that the text names."""

    version = VERSION

    def build(self, task: Task) -> Built:
        """Write the file and collect its references."""
        text, executable = arguments.read(TextArgs, task.args)
        writer = task.writer()
        writer.file("", [text.encode("utf-8", "surrogateescape")], executable)
        found = {str(store_path.parse(f"{hash_}-{name}")) for hash_, name in store_path.find_references(text)}
        return Built(writer, tuple(store_path.parse(f) for f in sorted(found)))
