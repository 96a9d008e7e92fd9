"""Parse YAML of locks: all scalars are texts, and what is too large or deep is ValueError."""

from __future__ import annotations

from typing import Any


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text with one document, all of whose scalars are texts."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is no YAML: {' '.join(str(error).split())[:200]}") from None
