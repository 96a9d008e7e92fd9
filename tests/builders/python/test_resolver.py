"""The resolution of requirements of Python packages, against indexes that are data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from fpack.builders.python.markers import environment
from fpack.builders.python.metadata import Metadata
from fpack.builders.python.resolver import Resolver, UnresolvableProject
from fpack.builders.python.versions import parse
from fpack.builders.python.wheels import IndexFile


class Index:
    """An index: for each package, the requirements of each version."""

    def __init__(self, packages: dict[str, dict[str, Sequence[str]]]) -> None:
        self._packages = packages

    def versions(self, name: str) -> Sequence[str]:
        return sorted(self._packages.get(name, ()), key=parse, reverse=True)

    def file(self, name: str, version: str) -> IndexFile:
        return IndexFile(f"{name}-{version}-py3-none-any.whl", "", "0" * 64)

    def metadata(self, name: str, version: str) -> Metadata:
        return Metadata(tuple(self._packages[name][version]))

    def expect(self, names: Iterable[str]) -> None:
        pass


def _resolve(packages: dict[str, dict[str, Sequence[str]]], *wanted: str, **more: object) -> dict[str, str]:
    resolver = Resolver(Index(packages), environment("3.13.5", "amd64"), **more)  # type: ignore[arg-type]
    return {pin.name: pin.version for pin in resolver.resolve(wanted)}


def test_the_newest_versions_that_agree() -> None:
    packages = {"a": {"1": ["b<2"], "2": ["b<2", "c"]}, "b": {"1": [], "2": []}, "c": {"1": ["x; os_name == 'nt'"]}}
    assert _resolve(packages, "a", "b") == {"a": "2", "b": "1", "c": "1"}


def test_an_older_version_is_taken_where_the_newest_conflicts() -> None:
    packages = {
        "a": {"1": ["c==1"], "2": ["c==2"]},
        "b": {"1": ["c==1"]},
        "c": {"1": [], "2": []},
        "d": {"1": [], "2": []},
    }
    assert _resolve(packages, "a", "d", "b") == {"a": "1", "b": "1", "c": "1", "d": "2"}


def test_extras_bring_their_requirements_and_no_others() -> None:
    packages = {
        "a": {"1": ["b; extra == 'fast'", "c; extra == 'slow'", "a[fast]; extra == 'all'"]},
        "b": {"1": []},
        "c": {"1": []},
    }
    assert _resolve(packages, "a[fast]") == {"a": "1", "b": "1"}
    assert _resolve(packages, "a[all]") == {"a": "1", "b": "1"}
    assert _resolve(packages, "a") == {"a": "1"}


def test_pre_releases_only_where_they_are_asked_for_or_alone() -> None:
    packages: dict[str, dict[str, Sequence[str]]] = {"a": {"1": [], "2rc1": []}, "b": {"1a1": []}}
    assert _resolve(packages, "a", "b") == {"a": "1", "b": "1a1"}
    assert _resolve(packages, "a>=2rc1") == {"a": "2rc1"}


def test_versions_are_kept_and_limited() -> None:
    packages: dict[str, dict[str, Sequence[str]]] = {"a": {"1": [], "2": [], "3": []}}
    assert _resolve(packages, "a", preferred={"a": "2"}) == {"a": "2"}
    assert _resolve(packages, "a", constraints=["a<3", "b<1"]) == {"a": "2"}


def test_requirements_of_a_version_that_was_given_up_do_not_stay() -> None:
    packages = {"a": {"2": ["x", "b==2"], "1": ["b==1"]}, "b": {"1": [], "2": []}, "x": {"1": []}, "c": {"1": ["b==1"]}}
    assert _resolve(packages, "a", "c") == {"a": "1", "b": "1", "c": "1"}


def test_a_conflict_names_who_requires_what() -> None:
    packages = {"a": {"1": ["c==1"]}, "b": {"1": ["c==2"]}, "c": {"1": [], "2": []}}
    with pytest.raises(UnresolvableProject) as error:
        _resolve(packages, "a", "b")
    assert "a requires c==1" in error.value.why and "b requires c==2" in error.value.why
    with pytest.raises(UnresolvableProject, match="No index has a version of gone"):
        _resolve({}, "gone")
    with pytest.raises(UnresolvableProject, match="required from a URL"):
        _resolve({}, "a @ https://example.org/a.whl")
