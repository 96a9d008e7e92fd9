"""Decide whether a version is affected by an advisory, and which version fixes it."""

from __future__ import annotations

from . import versions
from .model import FIRST, Advisory, Product, VersionRange


def is_affected(product: Product, advisory: Advisory) -> bool | None:
    """Return whether the product's version is affected; None if the versions of both cannot be compared.

    One range or one listed version suffices. Source: OSV format, "Evaluation".
    """
    if product.version in advisory.versions:
        return True
    ecosystem = product.ecosystem
    try:
        version = versions.key(ecosystem, product.version)
    except ValueError:
        return None
    unclear = not advisory.ranges and not advisory.versions
    for span in advisory.ranges:
        try:
            if _is_within(ecosystem, version, span):
                return True
        except ValueError:
            unclear = True
    if _is_listed(ecosystem, version, advisory.versions):
        return True
    return None if unclear else False


def _is_within(ecosystem: str, version: versions.Key, span: VersionRange) -> bool:
    if span.introduced != FIRST and version < versions.key(ecosystem, span.introduced):
        return False
    if span.fixed:
        return version < versions.key(ecosystem, span.fixed)
    return not span.last_affected or version <= versions.key(ecosystem, span.last_affected)


def _is_listed(ecosystem: str, version: versions.Key, listed: tuple[str, ...]) -> bool:
    """Return whether a version is in a list in another notation, as 1.0 and 1.0.0 are."""
    for text in listed:
        try:
            if versions.key(ecosystem, text) == version:
                return True
        except ValueError:
            continue
    return False


def fixed_version(product: Product, advisories: list[Advisory]) -> str:
    """Return the first version that none of the advisories affects, as far as they name it, or ""."""
    found = ""
    for advisory in advisories:
        fixes = [span.fixed for span in advisory.ranges if span.fixed and _contains(product, span)]
        if not fixes:
            return ""
        found = max(filter(None, [found, *fixes]), key=lambda text: versions.key(product.ecosystem, text))
    return found


def _contains(product: Product, span: VersionRange) -> bool:
    try:
        return _is_within(product.ecosystem, versions.key(product.ecosystem, product.version), span)
    except ValueError:
        return False
