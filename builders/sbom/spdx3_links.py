"""Tell the relationships of components in SPDX 3.0.1: parts, dependencies, sources, tools and licences."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import NamedTuple

from .model import BUILD_TOOL_OF, BUILT_USING, CONTAINS, DEPENDS_ON, GENERATED_FROM, Bill, Component
from .spdx import components

_PARTS = ("npm", "pypi", "golang", "cargo", "gem")  # that a build installs into its output


class Link(NamedTuple):
    """A relationship from one element to others. variant: tells relationships of one type and element apart."""

    start: str
    kind: str
    ends: tuple[str, ...]
    variant: str = ""
    scope: str = ""
    comment: str = ""
    complete: bool | None = None
    files: str = ""  # ref of a component whose files are ends too


def is_in_files(component: Component) -> bool:
    """Return whether a component is delivered as its files in the image."""
    return component.kind in ("build", "source") and not component.file


def links(
    bill: Bill, files: Container[str], iri: Callable[[str, str], str], licence: Callable[[str, str], str]
) -> Iterator[Link]:
    """Yield the relationships of all components.

    files: the refs of components with files. iri: the identifier of an element, by its kind and a component's ref.
    licence: the identifier of the element of a component's expression, or "" for none.
    """
    packages = {component.ref: iri("package", component.ref) for component in components(bill)}
    parts = {packages[component.ref] for component in bill.components if component.kind in _PARTS}
    ends: dict[tuple[str, str], set[str]] = {}
    for start, kind, end in bill.relations:
        ends.setdefault((start, kind), set()).add(packages[end])
        ends.setdefault((end, f"of {kind}"), set()).add(packages[start])

    def relations_of(component: Component) -> Iterator[Link]:
        ref, own = component.ref, packages[component.ref]

        def found(kind: str) -> tuple[str, ...]:
            return tuple(sorted(ends.get((ref, kind), ())))

        if found(CONTAINS) or ref in files:
            yield Link(own, "contains", found(CONTAINS), complete=bill.complete, files=ref)
        if found(DEPENDS_ON):
            # A program can load a library whose name it computes, so the dependencies of a package may be more.
            known = bill.complete if ref == bill.subject.ref else None
            yield Link(own, "dependsOn", found(DEPENDS_ON), scope="runtime", complete=known)
        if found(f"of {GENERATED_FROM}"):
            yield Link(own, "generates", found(f"of {GENERATED_FROM}"))
        if found(f"of {BUILT_USING}"):
            yield Link(own, "generates", found(f"of {BUILT_USING}"), "built-using", comment="Built-Using")
        user = own
        if component.kind == "build":
            user = iri("build", ref)
            yield Link(user, "hasOutput", (own,), scope="build")
            inputs = tuple(sorted([*found(GENERATED_FROM), *(end for end in found(DEPENDS_ON) if end in parts)]))
            if inputs:
                yield Link(user, "hasInput", inputs, scope="build")
        if found(f"of {BUILD_TOOL_OF}"):
            yield Link(user, "usesTool", found(f"of {BUILD_TOOL_OF}"), scope="build")
        if component.file:
            yield Link(own, "hasDistributionArtifact", (iri("artifact", ref),))
        elif is_in_files(component) and ref in files:
            # Builds and copied files come as files of the image, and in no archive.
            yield Link(own, "hasDistributionArtifact", (), files=ref)

    for component in components(bill):
        yield from relations_of(component)
        own = packages[component.ref]
        if declared := licence(component.ref, component.declared.expression):
            yield Link(own, "hasDeclaredLicense", (declared,))
        if effective := licence(component.ref, component.effective.expression):
            yield Link(own, "hasConcludedLicense", (effective,))
            # BSI's guideline has no type for the licence that the recipient uses.
            yield Link(own, "other", (effective,), "effective-licence", comment="hasEffectiveLicense")
