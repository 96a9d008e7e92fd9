"""List the curated packages, whose files come with fpack."""

from __future__ import annotations

from pathlib import Path

from fpack.light_typing import NamedTuple
from fpack.store.errors import FpackError


class CuratedPackage(NamedTuple):
    """A curated package: its name, and the summary at the top of its file."""

    name: str
    summary: str


def package_directory() -> Path:
    import fpack.pkgs

    return Path(fpack.pkgs.__path__[0])


def curated() -> dict[str, Path]:
    """Return the files of the curated packages, by name."""
    return {path.stem: path for path in sorted(package_directory().glob("*.fp"))}


def curated_packages() -> list[CuratedPackage]:
    """Return the curated packages, sorted by name."""
    return [CuratedPackage(name, _summary(path)) for name, path in sorted(curated().items())]


def _summary(path: Path) -> str:
    """Return the first sentence of the comment at the beginning of a file."""
    words: list[str] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                text = line.removeprefix("#").strip()
                if not line.startswith("#") or not text:
                    break
                words.append(text)
    except OSError as error:
        raise FpackError("A curated package cannot be read", where=str(path), why=error.strerror or "") from None
    return " ".join(words).partition(". ")[0].removesuffix(".")
