"""Merge the indexes of a release's suites, with the locked versions of packages first, and suggest similar names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from fpack.store.errors import FpackError

from ..package import Package
from ..suites import target_of
from ..version import version_key
from .package_index import PackageIndex


class NoSuchPackage(FpackError):
    """A package that a release does not have. In the language, `or` can provide a default for it."""

    exit_code = 4
    absent = True


_ROUGH = 200  # names (of about 70,000) that `nearest` compares exactly, after a quick comparison of all
_LEAST_SIMILAR = 0.6  # a lower ratio of SequenceMatcher is no suggestion
_SAME_BEGINNING = 0.5  # added to the ratio of a name that begins with the wanted one


class MergedIndex:
    """The packages among which the resolver chooses (its universe), from several indexes of one architecture.

    It contains the highest version of each package in all suites; of equal versions, the one of the first suite. A
    preferred version that a suite still has, or had in one of the `earlier` indexes, comes before the highest version.

    indexes: the current ones, at least one. prefer: the version to prefer for a name, as the lock pins it.
    """

    def __init__(
        self,
        indexes: Sequence[PackageIndex],
        prefer: Mapping[str, str] | None = None,
        earlier: Sequence[PackageIndex] = (),
    ) -> None:
        self.arch = indexes[0].arch
        self._indexes = indexes
        self._earlier = earlier
        self._prefer = prefer or {}
        self._versions: dict[str, tuple[Package, ...]] = {}
        self._providers: dict[str, tuple[Package, ...]] = {}

    def preferring(self, prefer: Mapping[str, str]) -> MergedIndex:
        """Return a universe of the same packages with other preferred versions."""
        return MergedIndex(self._indexes, prefer, self._earlier)

    def versions(self, name: str) -> tuple[Package, ...]:
        """Return the candidate packages of a name, best first: one, or two if a version is preferred."""
        found = self._versions.get(name)
        if found is None:
            everything = self.current(name)
            best = sorted(everything, key=lambda package: version_key(package.version), reverse=True)[:1]
            wanted = self._prefer.get(name)
            preferred = [package for package in everything if package.version == wanted][:1]
            if wanted is not None and not preferred:
                former = (package for index in self._earlier for package in index.packages(name))
                preferred = [package for package in former if package.version == wanted][:1]
            found = self._versions[name] = tuple(dict.fromkeys(preferred + best))
        return found

    def current(self, name: str) -> list[Package]:
        """Return all versions of a package that the suites have now, in the order of the suites."""
        return [package for index in self._indexes for package in index.packages(name)]

    def providers(self, name: str) -> tuple[Package, ...]:
        """Return the packages that provide a name, sorted by rank, then by name."""
        found = self._providers.get(name)
        if found is None:
            indexes = (*self._indexes, *self._earlier)
            names = {provider for index in indexes for provider in index.providers(name)}
            packages = [package for provider in names for package in self.versions(provider)]
            packages = [p for p in packages if any(provided.name == name for provided in p.provides)]
            # A stable sort keeps the order of a package's versions.
            found = self._providers[name] = tuple(sorted(packages, key=lambda package: (package.rank, package.name)))
        return found

    def nearest(self, name: str, count: int = 3) -> list[str]:
        """Return the existing names most similar to `name`, for an error's hint."""
        # First, compare pairs of letters, or the letters of short names, which is quick.
        letters = set(name)
        pairs = {name[i : i + 2] for i in range(len(name) - 1)}
        rough: list[tuple[int, str]] = []  # (a lower number is nearer, name)
        for other in {n for index in self._indexes for n in index.names()}:
            common = sum(pair in other for pair in pairs)
            similar = common * 2 >= len(pairs) and len(other) <= 2 * len(name) + 6
            if similar or (abs(len(other) - len(name)) <= 1 and len(letters.symmetric_difference(other)) <= 1):
                rough.append((len(other) - 3 * common, other))
        best = sorted(rough)[:_ROUGH]
        matcher = SequenceMatcher(b=name)

        def similarity(other: str) -> float:
            matcher.set_seq1(other)
            return matcher.ratio() + (_SAME_BEGINNING if other.startswith(name) else 0)

        ranked = sorted((-similarity(other), other) for _, other in best)
        return [other for score, other in ranked[:count] if score <= -_LEAST_SIMILAR]


def hint(universe: MergedIndex, name: str, others: Sequence[str] = ()) -> str:
    """Return a hint for a name without a package in `universe`. others: the releases that have the package."""
    providers = [package.name for package in universe.providers(name)]
    if providers:
        shown = ", ".join(providers[:5])
        return f"it is a virtual package; {shown} provide{'' if len(providers) > 1 else 's'} it"
    if others:
        return f"{' and '.join(others)} {'has' if len(others) == 1 else 'have'} it, as in {target_of(others[0], name)}"
    nearest = universe.nearest(name)
    return f"did you mean {' or '.join(nearest)}?" if nearest else ""
