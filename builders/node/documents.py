"""Parse YAML of locks and workspaces: all scalars are texts, and what is too large or deep is ValueError."""

from __future__ import annotations

from typing import Any

MAX_NODES = 1_000_000  # of a lock; each takes up to a kilobyte of memory while it is read


def parse_yaml(text: str, aliases: bool = False) -> Any:
    """Return the value of a YAML text with one document, all of whose scalars are texts.

    aliases: whether a record or list may be in several places. A reader of all of it must not allow that: aliases of
    aliases multiply. Locks have none.
    """
    import yaml

    base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

    class Loader(base):  # type: ignore[misc]
        nodes = 0

        def descend_resolver(self, parent: Any, index: Any) -> None:
            """Count a node, before it is made. No node is resolved by its path."""
            self.nodes += 1
            if self.nodes > MAX_NODES:
                raise yaml.YAMLError(f"it has more than {MAX_NODES} values")

        def ascend_resolver(self) -> None:
            pass

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            if not aliases and node in self.constructed_objects and not isinstance(node, yaml.ScalarNode):
                raise yaml.YAMLError(f"an alias at line {node.start_mark.line + 1} repeats a list or a record")
            return super().construct_object(node, deep)

    try:
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is not valid YAML: {' '.join(str(error).split())[:200]}") from None
