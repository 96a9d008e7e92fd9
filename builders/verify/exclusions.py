"""What layers leave out of their parts, checked: it is not there, and what is said to stand in its place does."""

from __future__ import annotations

from collections.abc import Callable

from fpack.builders.manifest.format import CONFIGURED, GENERATED, ExcludedPath, Head, ManifestEntry, ManifestLayer
from fpack.builders.payload import exclusions as reasons

from .findings import MANIFEST, Report, show
from .others import BUILT, FILES, PACKAGE


class Exclusions:
    """The exclusions of a manifest's layers."""

    def __init__(self, head: Head) -> None:
        self._layers = head.layers
        self._paths = {each.path for layer in head.layers for each in layer.excluded}
        # By path: the kind of origin of what stands there, and which one.
        self._standing: dict[bytes, tuple[str, str]] = {}
        self._kept: set[tuple[str, bytes]] = set()

    def meet(self, layer: ManifestLayer, entry: ManifestEntry, origin: str, detail: str) -> None:
        """Take note of an entry of a layer, and of where it is from."""
        if entry.path in self._paths:
            assert entry.part is not None
            self._standing[entry.path] = (origin, detail)
            self._kept.add((layer.parts[entry.part][0], entry.path))

    def finish(self, report: Report, label: Callable[[int], str], has: Callable[[bytes], bool]) -> None:
        """Say what does not hold. has: whether anything is at a path of the image."""
        for number, layer in enumerate(self._layers):
            for each in layer.excluded:
                problem = self._problem(layer, each, has)
                if problem:
                    what = f"the manifest says that it is left out ({each.reason} {each.by}".rstrip() + f"); {problem}"
                    report.add(MANIFEST, show(each.path), what, label(number))

    def _problem(self, layer: ManifestLayer, each: ExcludedPath, has: Callable[[bytes], bool]) -> str:
        if (layer.parts[each.part][0], each.path) in self._kept:
            return "it is there"
        if each.reason == reasons.REMOVED:
            return "something stands there" if has(each.path) else ""
        origin, detail = self._standing.get(each.path, ("", ""))
        if not origin and not has(each.path):
            return "nothing stands in its place"
        wanted = {
            reasons.SAME: (origin, detail) == (PACKAGE, each.by),
            # A directory of the other package need not have an entry.
            reasons.REPLACED: (origin, detail) == (PACKAGE, each.by) or not origin,
            reasons.GENERATED: (origin, detail) == (GENERATED, each.by),
            reasons.FILES: origin == FILES,
            reasons.MODE: origin == FILES,
            reasons.CONFIGURED: origin == CONFIGURED and detail.endswith(f" of {each.by}"),
            reasons.GRAFTED: origin in (BUILT, FILES),
        }
        return "" if wanted[each.reason] else "something else stands there"
