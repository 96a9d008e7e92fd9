"""Apply the statements of others (VEX) to findings.

A statement is about a vulnerability and products: images by digest or name, or packages. The newest one counts, and of
two of the same time the one that hides less. What a statement changes stays a finding, with who stated it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fpack.store.errors import FpackError, one_line

from .model import AFFECTED, FIXED, NOT_AFFECTED, UNDER_INVESTIGATION, Finding, Product
from .package_urls import ImageIdentity, PackageUrl, binary_url, covers, covers_image, parse

STATUSES = (AFFECTED, UNDER_INVESTIGATION, FIXED, NOT_AFFECTED)  # those that hide less come first
JUSTIFICATIONS = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)
MAX_TEXT = 300  # characters of a statement's prose in evidence


class BadVex(FpackError):
    """A document about vulnerabilities that cannot be read."""

    exit_code = 4


class StatedProduct(NamedTuple):
    """A product of a statement. urls: package URLs, one of which suffices. hashes: SHA-256 of it, in hexadecimal.

    parts: package URLs of the parts of the product that are meant; empty: all. versions: a range of `vers:`, or "".
    """

    urls: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    versions: str = ""


class VexStatement(NamedTuple):
    """A statement. names: of the vulnerability. time: in Unix seconds. where: the document.

    signer: who signed the document, if that was checked.
    """

    names: tuple[str, ...]
    products: tuple[StatedProduct, ...]
    status: str
    justification: str
    impact: str
    time: int
    author: str
    where: str
    signer: str = ""


class _Relevant(NamedTuple):
    """A product of a statement that can be about the image. urls: of the packages that are meant; None: all."""

    statement: VexStatement
    product: StatedProduct
    urls: tuple[str, ...] | None


class Statements:
    """Statements about an image and its packages. now: in Unix seconds; later statements do not count."""

    def __init__(self, statements: Iterable[VexStatement], image: ImageIdentity, now: int) -> None:
        # By the vulnerability's name and a key of the package, so that a long document costs little for each finding.
        self._relevant: dict[tuple[str, str], list[_Relevant]] = {}
        self.ignored: list[str] = []
        for statement in statements:
            if statement.time > now:
                why = f"its time, {show_time(statement.time)}, is in the future"
                self.ignored.append(f"{statement.where}: a statement about {statement.names[0]} is ignored: {why}")
                continue
            for product in statement.products:
                self._add(statement, product, image)

    def _add(self, statement: VexStatement, product: StatedProduct, image: ImageIdentity) -> None:
        found = [url for url in map(parse, product.urls) if url is not None]
        is_image = any(f"sha256:{value}" in image.digests for value in product.hashes)
        urls: tuple[str, ...] | None = product.urls
        if is_image or any(covers_image(url, image) for url in found):
            urls = product.parts or None
        elif product.parts:
            return
        keys = {_EVERY} if urls is None else {_key(url) for url in map(parse, urls) if url is not None}
        keys |= {*product.hashes} if not is_image else set()
        for name in statement.names:
            for key in keys:
                self._relevant.setdefault((name, key), []).append(_Relevant(statement, product, urls))

    def judge(self, finding: Finding) -> Finding:
        """Return a finding with the status that was stated of it, and with the statements as evidence."""
        product = finding.product
        urls = [parse(url) for url in _component_urls(product)]
        source = parse(product.purl)
        keys = {_EVERY, *(_key(url) for url in (source, *urls) if url is not None)}
        keys |= {binary.sha256 for binary in product.binaries if binary.sha256}
        about = {
            id(item): item
            for name in (finding.advisory.id, *finding.advisory.aliases)
            for key in keys
            for item in self._relevant.get((name, key), ())
        }
        chosen: dict[int, VexStatement] = {}
        for item in sorted(about.values(), key=lambda item: _rank(item.statement), reverse=True):
            for number in _covered(item, urls, source, product):
                chosen.setdefault(number, item.statement)
            if len(chosen) == len(urls):
                break
        if not chosen:
            return finding
        evidence = (*finding.evidence, *dict.fromkeys(map(_told, sorted(chosen.values(), key=_rank))))
        found = {statement.status for statement in chosen.values()}
        status = next(status for status in STATUSES if status in found)
        if status not in (AFFECTED, UNDER_INVESTIGATION) and len(chosen) < len(urls):
            return finding._replace(evidence=(*evidence, "nothing is stated of the other packages of the source"))
        justifications = {statement.justification for statement in chosen.values() if status == NOT_AFFECTED}
        return finding._replace(status=status, justification=min(justifications, default=""), evidence=evidence)


_EVERY = "every package of the image"


def _key(url: PackageUrl) -> str:
    return f"{url.type}/{url.namespace}/{url.name}"


def _rank(statement: VexStatement) -> tuple[int, int]:
    """Return the key by which later statements come after earlier ones, and then those that hide less."""
    return statement.time, -STATUSES.index(statement.status)


def _component_urls(product: Product) -> list[str]:
    """Return the package URLs of what is in the image: the binary packages, or the product."""
    return [binary_url(product, binary) for binary in product.binaries] or [product.purl]


def _covered(
    item: _Relevant, components: Sequence[PackageUrl | None], source: PackageUrl | None, product: Product
) -> set[int]:
    """Return the numbers of the components that a statement is about."""
    everything = set(range(len(components)))
    if item.urls is None:
        return everything
    found = {n for n, binary in enumerate(product.binaries) if binary.sha256 and binary.sha256 in item.product.hashes}
    for stated in filter(None, map(parse, item.urls)):
        versions = item.product.versions
        if source is not None and covers(stated, source, versions) and _names_source(stated, product):
            return everything
        found |= {n for n, url in enumerate(components) if url is not None and covers(stated, url, versions)}
    return found


def _names_source(stated: PackageUrl, product: Product) -> bool:
    """Return whether a URL is that of a source package. Without `arch=source` it is that of a binary package."""
    return stated.type != "deb" or stated.qualifiers.get("arch") == "source" or not product.binaries


def _told(statement: VexStatement) -> str:
    """Describe a statement as evidence."""
    by = f"{statement.author}, signed by {statement.signer}," if statement.signer else statement.author
    words = " ".join(filter(None, [statement.status, statement.justification]))
    prose = f": {statement.impact[:MAX_TEXT]}" if statement.impact else ""
    return one_line(f"stated by {by} on {show_time(statement.time)[:10]} in {statement.where}: {words}{prose}")


def show_time(seconds: int) -> str:
    """Return a time as RFC 3339 has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def read_time(value: object) -> int | None:
    """Return the Unix seconds of a time of RFC 3339, or None if it is none."""
    from datetime import UTC, datetime

    if not isinstance(value, str) or len(value) > 40 or "T" not in value.upper():
        return None
    try:
        found = datetime.fromisoformat(value)
        return int(found.replace(tzinfo=found.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError):
        return None


def text(record: Mapping[str, object], name: str, most: int = 10_000) -> str:
    """Return a field of a document that is a text of bounded length, or ""."""
    value = record.get(name)
    return value[:most] if isinstance(value, str) else ""
