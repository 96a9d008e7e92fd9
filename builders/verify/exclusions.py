"""Check the exclusions of a manifest: each excluded path must be absent, and its stated replacement present."""

from __future__ import annotations

from collections.abc import Callable

from fpack.builders.manifest.format import CONFIGURED, GENERATED, ExcludedPath, Head, ManifestEntry, ManifestLayer
from fpack.builders.payload import exclusions as reasons

from .findings import MANIFEST, Report, show
from .other_entries import BASE, BUILT, FILES, PACKAGE

GRAFT = "graft"  # the rule of the link to what replaces a library


class Exclusions:
    """The exclusions of a manifest's layers."""

    def __init__(self, head: Head) -> None:
        self._layers = head.layers
        self._paths = {excluded.path for layer in head.layers for excluded in layer.excluded}
        # The origin of the entry at an excluded path: its kind and detail.
        self._origins: dict[bytes, tuple[str, str]] = {}
        self._present: set[tuple[str, bytes]] = set()  # (store path, path)

    def meet(self, layer: ManifestLayer, entry: ManifestEntry, origin: str, detail: str) -> None:
        """Record an entry of a layer and its origin."""
        if entry.path in self._paths:
            assert entry.part is not None
            self._origins[entry.path] = (origin, detail)
            self._present.add((layer.parts[entry.part][0], entry.path))

    def finish(self, report: Report, label: Callable[[int], str], has: Callable[[bytes], bool]) -> None:
        """Report the exclusions that do not hold. has: tells whether the image has a path."""
        for number, layer in enumerate(self._layers):
            for excluded in layer.excluded:
                problem = self._problem(layer, excluded, has)
                if problem:
                    reason = f"{excluded.reason} {excluded.by}".rstrip()
                    what = f"the manifest says that it is left out ({reason}); {problem}"
                    report.add(MANIFEST, show(excluded.path), what, label(number))

    def _problem(self, layer: ManifestLayer, excluded: ExcludedPath, has: Callable[[bytes], bool]) -> str:
        if (layer.parts[excluded.part][0], excluded.path) in self._present:
            return "it is present"
        if excluded.reason == reasons.REMOVED:
            return "the path exists" if has(excluded.path) else ""
        origin, detail = self._origins.get(excluded.path, ("", ""))
        if not origin and not has(excluded.path):
            return "nothing replaces it"
        wanted = {
            reasons.SAME: (origin, detail) == (PACKAGE, excluded.by),
            # A directory of the other package need not have an entry.
            reasons.REPLACED: (origin, detail) == (PACKAGE, excluded.by) or not origin,
            reasons.GENERATED: (origin, detail) == (GENERATED, excluded.by),
            reasons.FILES: origin == FILES,
            reasons.MODE: origin == FILES,
            reasons.CONFIGURED: origin == CONFIGURED and detail.endswith(f" of {excluded.by}"),
            reasons.BASE: (origin, detail) == (BASE, excluded.by),
            reasons.GRAFTED: origin in (BUILT, FILES) or (origin, detail) == (GENERATED, GRAFT),
        }
        return "" if wanted[excluded.reason] else "something else replaces it"
