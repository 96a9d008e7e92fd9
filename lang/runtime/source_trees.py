"""Hash the files and directories of the project that become sources of derivations, and remember where they are."""

from __future__ import annotations

from fpack.lang.errors import Fault, quote
from fpack.light_typing import TYPE_CHECKING, Protocol

from .values import Path

if TYPE_CHECKING:
    from pathlib import Path as HostPath

    from fpack.store.files.source import SourceSelection


class Sources(Protocol):
    """A hasher of files and directories of the user's project."""

    def hash(self, path: HostPath, selection: SourceSelection | None = None) -> bytes:
        """Return the 32-byte digest of the tree at `path`, without the files that .gitignore files exclude.

        selection: the entries that the tree has; None: all.
        """


class SourceTrees:
    """The trees of sources.

    paths: the path of each source, by the hexadecimal digest of its tree. selections: the selection of each source that
    has one, by the same digest.
    """

    def __init__(self, sources: Sources | None) -> None:
        self._sources = sources
        self.paths: dict[str, HostPath] = {}
        self.selections: dict[str, SourceSelection] = {}

    def digest(self, path: Path) -> str:
        """Return the digest of the tree of a file or directory. Raise Fault if it cannot be a source."""
        if self._sources is None:
            raise Fault("Files cannot be added to the store here")
        from pathlib import Path as HostPath

        host_path = HostPath(path.path)
        if not host_path.exists():
            why = f"{host_path} does not exist"
            raise Fault(f"There is no file {quote(host_path.name)}", why=why, file=path.path)
        try:
            return self._tree(self._sources, host_path, path.selection)
        except OSError as error:
            raise Fault(f"{quote(host_path.name)} cannot be read", why=f"{error.filename}: {error.strerror}") from None

    def _tree(self, sources: Sources, path: HostPath, selection: SourceSelection | None) -> str:
        """Hash a source, or the selected entries of it, and note where it is. Return its digest in hexadecimal."""
        if selection is None:
            digest = sources.hash(path).hex()
            self.selections.pop(digest, None)
        else:
            from fpack.store.files.tree import tree_digest

            if not path.is_dir():
                raise Fault(f"{quote(path.name)} is a file, and `keep` and `drop` select entries of a directory")
            found = sources.hash(path, selection)
            if found == tree_digest({}):
                what = f"`keep` and `drop` leave nothing of {quote(path.name)}"
                raise Fault(what, hint="patterns are those of .gitignore, relative to the directory")
            digest = found.hex()
            self.selections[digest] = selection
        self.paths[digest] = path
        return digest
