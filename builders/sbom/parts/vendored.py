"""Read the packages that lie in the source of a build, and what the source states of itself.

`cargo vendor` puts crates, each in a directory, beside each other; `bundle package` puts gems into `vendor/cache`;
`go mod vendor` puts modules below `vendor`, by their paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..lock_files import LockedPart
from . import cargo, npm, packages
from .licence import licence
from .part import PartFacts
from .survey import PackageSurvey

OWN = "source"  # the kind of what the source states of itself
_OF_OTHERS = ("vendor", "node_modules", "third_party", "third-party")
_GEMS = "vendor/cache"
_MODULES = "vendor"
_CHECKSUMS = ".cargo-checksum.json"


def vendored(
    top: Path, parts: Iterable[LockedPart], check: Callable[[], None], log: Callable[[str], None]
) -> Iterator[PartFacts]:
    """Yield what those of the locked packages state that lie in the source `top`. Symlinks are not followed."""
    wanted = set(parts)
    crates = _crates(top) if any(part.kind == "cargo" for part in wanted) else {}
    for part in sorted(wanted):
        check()
        try:
            if part.kind == "cargo":
                for path in crates.get(part.name, []) + crates.get(f"{part.name}-{part.version}", []):
                    found = packages.of_directory("cargo", path, part.name)
                    if (found.name, found.version) == (part.name, part.version):
                        yield found._replace(file=f"{part.name}-{part.version}.crate")
                        break
            elif part.kind == "golang" and (where := _inside(top, f"{_MODULES}/{part.name}")) is not None:
                yield packages.of_directory("golang", where, part.name, part.version)
            elif part.kind == "gem":
                for path in _gems(top, part):
                    found = packages.of_archive("gem", path, part.name, check)
                    yield found._replace(name=part.name, version=part.version, file=path.name)
                    break
        except packages.ERRORS as error:
            log(f"{part.name} {part.version} cannot be read: {error}")


def own(top: Path) -> PartFacts:
    """Return what a source states of itself: package.json or Cargo.toml at its top, its licences and its notices."""
    survey = PackageSurvey((npm.METADATA, cargo.METADATA))
    packages.add_files(survey, top, _OF_OTHERS)
    if npm.METADATA in survey.found:
        part = npm.read(survey)
    elif cargo.METADATA in survey.found:
        part = cargo.read(survey)
    else:
        stated, texts = licence(OWN, "", [], survey.licences)
        part = PartFacts(licence=stated, texts=texts, copyright=survey.copyright())
    return part._replace(kind=OWN)


def _crates(top: Path) -> dict[str, list[Path]]:
    """Return the directories that `cargo vendor` made, by name."""
    found: dict[str, list[Path]] = {}
    for directory in _directories(top):
        for path in _directories(directory):
            if (path / _CHECKSUMS).is_file():
                found.setdefault(path.name, []).append(path)
    return found


def _directories(top: Path) -> list[Path]:
    return sorted(path for path in top.iterdir() if path.is_dir() and not path.is_symlink()) if top.is_dir() else []


def _inside(top: Path, name: str) -> Path | None:
    """Return a directory below `top` that is reached without symlinks, or None."""
    path = top
    for part in name.split("/"):
        path /= part
        if part in ("", ".", "..") or path.is_symlink() or not path.is_dir():
            return None
    return path


def _gems(top: Path, part: LockedPart) -> list[Path]:
    """Return the files of a gem: that for all platforms first."""
    where = _inside(top, _GEMS)
    begin = f"{part.name}-{part.version}"
    names = [path for path in where.iterdir() if path.name.startswith(begin)] if where is not None else []
    files = [path for path in names if path.name[len(begin) :][:1] in ("-", ".") and path.name.endswith(".gem")]
    return sorted((path for path in files if path.is_file() and not path.is_symlink()), key=lambda p: (len(p.name), p))
