"""Write and read CSAF 2.0: documents of the profile VEX are written; security advisories are read, too."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fpack.store.errors import malformation

from .csaf_rules import BASE, CATEGORY, broken_rules
from .model import AFFECTED, FIXED, NOT_AFFECTED, UNDER_INVESTIGATION, Finding
from .openvex import action, is_name
from .package_urls import parse
from .statements import JUSTIFICATIONS, BadVex, StatedProduct, VexStatement, read_time, show_time, text
from .vex_subject import VexSubject, component_urls, serial

VERSION = "2.0"
IMAGE = "image"
_NOTHING = "The data names no vulnerability of the packages in the image."
MAX_PRODUCTS = 100_000
MAX_DEPTH = 40  # of branches
MAX_STATEMENTS = 200_000
_ONE = "vers:deb/="  # and a version
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}\Z")
_GROUPS = {
    "known_affected": AFFECTED,
    "first_affected": AFFECTED,
    "last_affected": AFFECTED,
    "known_not_affected": NOT_AFFECTED,
    "fixed": FIXED,
    "first_fixed": FIXED,
    "under_investigation": UNDER_INVESTIGATION,
}
_GROUP_OF = {AFFECTED: "known_affected", NOT_AFFECTED: "known_not_affected", FIXED: "fixed",
             UNDER_INVESTIGATION: "under_investigation"}  # fmt: skip


# Writing.


def document(findings: Sequence[Finding], subject: VexSubject) -> bytes:
    """Return the document about the findings of an image.

    The profile VEX has no document without a vulnerability, so that of an image without a finding is of the base.
    """
    when = show_time(subject.time)
    name = f"{subject.name}:{subject.tag}" if subject.tag else subject.name
    ids = _ids(findings)
    value: dict[str, Any] = {
        "document": {
            "category": CATEGORY if findings else BASE,
            "csaf_version": VERSION,
            "lang": "en",
            **({} if findings else {"notes": [{"category": "summary", "text": _NOTHING}]}),
            "publisher": {"category": "other", "name": subject.author, "namespace": subject.namespace},
            "title": f"Vulnerabilities of the image {name}",
            "tracking": {
                "current_release_date": when,
                "generator": {"engine": {"name": "fpack", "version": subject.fpack or "0"}},
                "id": "",
                "initial_release_date": when,
                "revision_history": [{"date": when, "number": "1", "summary": "The first version."}],
                "status": "final",
                "version": "1",
            },
        },
        "product_tree": _product_tree(ids, subject, name),
        **({"vulnerabilities": list(_vulnerabilities(findings, ids))} if findings else {}),
    }
    content = json.dumps(value, sort_keys=True, ensure_ascii=False)
    value["document"]["tracking"]["id"] = f"fpack-vex-{serial(hashlib.sha256(content.encode()).digest())}"
    if broken := broken_rules(value):
        raise BadVex("The document cannot be written", why=f"it would break a rule of CSAF: {broken[0]}")
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _ids(findings: Iterable[Finding]) -> dict[str, str]:
    """Return the identifier of each package by its URL."""
    urls = sorted({url for finding in findings for url in component_urls(finding)})
    return {url: f"package-{number}" for number, url in enumerate(urls, 1)}


def _product_tree(ids: Mapping[str, str], subject: VexSubject, name: str) -> dict[str, Any]:
    # The package URL has the digest. The library with which trivy reads CSAF cannot read `hashes`.
    helper = {"purl": subject.purl}
    return {
        "full_product_names": [
            {"name": f"{name} {subject.digest}", "product_id": IMAGE, "product_identification_helper": helper},
            *(
                {"name": url, "product_id": product_id, "product_identification_helper": {"purl": url}}
                for url, product_id in ids.items()
            ),
        ],
        **({"relationships": _relationships(ids, name)} if ids else {}),
    }


def _relationships(ids: Mapping[str, str], name: str) -> list[dict[str, Any]]:
    return [
        {
            "category": "default_component_of",
            "full_product_name": {"name": f"{url} in {name}", "product_id": _inside(product_id)},
            "product_reference": product_id,
            "relates_to_product_reference": IMAGE,
        }
        for url, product_id in ids.items()
    ]


def _inside(product_id: str) -> str:
    return f"{IMAGE}:{product_id}"


def _vulnerabilities(findings: Sequence[Finding], ids: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    names = sorted({finding.advisory.id for finding in findings})
    for name in names:
        group = [finding for finding in findings if finding.advisory.id == name]
        statuses: dict[str, list[str]] = {}
        flags, threats, remediations = [], [], []
        for finding in _one_each(group):
            products = sorted(_inside(ids[url]) for url in component_urls(finding))
            statuses.setdefault(_GROUP_OF[finding.status], []).extend(products)
            facts = "; ".join(finding.evidence)
            if finding.status == NOT_AFFECTED:
                if finding.justification in JUSTIFICATIONS:
                    flags.append({"label": finding.justification, "product_ids": products})
                if facts or finding.justification not in JUSTIFICATIONS:
                    details = facts or "The image is not affected."
                    threats.append({"category": "impact", "details": details, "product_ids": products})
            elif finding.status == AFFECTED:
                category = "vendor_fix" if finding.fixed else "none_available"
                remediations.append({"category": category, "details": action(finding), "product_ids": products})
        advisory = group[0].advisory
        other = sorted({alias for finding in group for alias in finding.advisory.aliases} - {name})
        numbers = [] if _CVE.match(name) else [name, *other]
        yield {
            **({"cve": name} if _CVE.match(name) else {}),
            **({"flags": flags} if flags else {}),
            **({"ids": [{"system_name": _system(n), "text": n} for n in numbers]} if numbers else {}),
            "notes": [{"category": "description", "text": advisory.description or f"The vulnerability {name}."}],
            "product_status": {key: sorted(set(products)) for key, products in sorted(statuses.items())},
            **({"remediations": remediations} if remediations else {}),
            **({"threats": threats} if threats else {}),
        }


def _one_each(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for each package: a package has one status. It is the one that hides the least."""
    order = (AFFECTED, UNDER_INVESTIGATION, FIXED, NOT_AFFECTED)
    found: dict[tuple[str, ...], Finding] = {}
    for finding in sorted(findings, key=lambda finding: order.index(finding.status)):
        urls = [url for url in component_urls(finding) if not any(url in known for known in found)]
        if len(urls) == len(component_urls(finding)):
            found[tuple(urls)] = finding
    return [found[key] for key in sorted(found)]


def _system(name: str) -> str:
    return f"{name.partition('-')[0]} identifiers"


# Reading.


def is_csaf(value: Mapping[str, Any]) -> bool:
    """Return whether a document is one of CSAF."""
    top = value.get("document")
    return isinstance(top, dict) and "csaf_version" in top


def read(value: Mapping[str, Any], where: str) -> tuple[list[VexStatement], list[str]]:
    """Return the statements of a document, and which of them are ignored and why. Raise BadVex if it is invalid."""
    top = _record(value, "document")
    if top.get("csaf_version") != VERSION:
        raise BadVex("The document cannot be read", where=where, why="it is not of CSAF 2.0")
    try:
        broken = broken_rules(value, reading=True)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        why = f"it is malformed: {malformation(error)}"
        raise BadVex("The document cannot be read", where=where, why=why) from None
    if broken:
        raise BadVex("The document cannot be read", where=where, why=f"it breaks a rule of CSAF: {broken[0]}")
    author = text(_record(top, "publisher"), "name", 200)
    when = read_time(_record(top, "tracking").get("current_release_date"))
    if when is None or not author:
        raise BadVex("The document cannot be read", where=where, why="it has no publisher, or no release date")
    products = _products(_record(value, "product_tree"), where)
    groups = {
        text(row, "group_id"): _texts(row, "product_ids")
        for row in _rows(_record(value, "product_tree"), "product_groups")
    }
    found: list[VexStatement] = []
    ignored: list[str] = []
    for number, row in enumerate(_rows(value, "vulnerabilities"), 1):
        if len(found) > MAX_STATEMENTS:
            why = f"it has more than {MAX_STATEMENTS} statements"
            raise BadVex("The document cannot be read", where=where, why=why)
        names = [name for name in (text(row, "cve"), *(text(item, "text") for item in _rows(row, "ids"))) if name]
        names = [name for name in names if is_name(name)]
        if not names:
            ignored.append(f"{where}: vulnerability {number} is ignored: it has no name")
            continue
        flags = _by_product(row, "flags", "label", groups)
        impacts = _by_product(row, "threats", "details", groups)
        for group, status in _GROUPS.items():
            for product_id in _texts(_record(row, "product_status"), group):
                product = products.get(product_id)
                flag, impact = flags.get(product_id, ""), impacts.get(product_id, "")
                if status == NOT_AFFECTED and flag not in JUSTIFICATIONS and not impact:
                    why = "it does not say why a product is not affected"
                    ignored.append(f"{where}: a statement about {names[0]} is ignored: {why}")
                elif product is not None:
                    justification = flag if status == NOT_AFFECTED and flag in JUSTIFICATIONS else ""
                    found.append(
                        VexStatement(tuple(names), (product,), status, justification, impact, when, author, where)
                    )
    return found, ignored


def _by_product(row: Mapping[str, Any], field: str, name: str, groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return a text of the items of a list by the products that they are about."""
    found: dict[str, str] = {}
    for item in _rows(row, field):
        if field == "threats" and item.get("category") != "impact":
            continue
        ids = [*_texts(item, "product_ids"), *(i for group in _texts(item, "group_ids") for i in groups.get(group, ()))]
        for product_id in ids:
            found.setdefault(product_id, text(item, name))
    return found


def _products(tree: Mapping[str, Any], where: str) -> dict[str, StatedProduct]:
    """Return the products by their identifiers. Those that nothing identifies are left out."""
    found: dict[str, StatedProduct] = {}
    for row, versions in _leaves(tree, where):
        helper = _record(row, "product_identification_helper")
        purl = text(helper, "purl", 4096)
        hashes = tuple(
            value.lower()
            for item in _rows(helper, "hashes")
            for entry in _rows(item, "file_hashes")
            if text(entry, "algorithm") == "sha256" and len(value := text(entry, "value")) == 64
        )
        url = parse(purl)
        if versions.startswith(_ONE) and url is not None and url.version:
            versions = ""  # the URL tells the version, in the notation of its type
        if versions and url is not None and url.type == "oci" and not url.version:
            if not versions.startswith(_ONE):
                continue  # it is not known which images are in a range
            purl += f"{'&' if '?' in purl else '?'}tag={versions.removeprefix(_ONE)}"
        if purl or hashes:
            found[text(row, "product_id")] = StatedProduct((purl,) if purl else (), hashes, (), versions)
    for row in _rows(tree, "relationships"):
        part, whole = found.get(text(row, "product_reference")), found.get(text(row, "relates_to_product_reference"))
        if part is not None and part.urls and whole is not None and not whole.parts:
            made = StatedProduct(whole.urls, whole.hashes, part.urls, part.versions)
            found[text(_record(row, "full_product_name"), "product_id")] = made
    return found


def _leaves(tree: Mapping[str, Any], where: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the products of a tree, each with the range of versions of its branch, or of the next one above."""
    for row in _rows(tree, "full_product_names"):
        yield row, ""
    count = 0
    todo = [(row, 1, "") for row in _rows(tree, "branches")]
    while todo:
        row, depth, versions = todo.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_PRODUCTS:
            why = f"it has more than {MAX_PRODUCTS} branches, or {MAX_DEPTH} levels"
            raise BadVex("The document cannot be read", where=where, why=why)
        if row.get("category") == "product_version_range":
            versions = text(row, "name", 4096)
        elif row.get("category") == "product_version":
            versions = _ONE + quote(text(row, "name", 4096), safe="")
        if isinstance(row.get("product"), dict):
            yield row["product"], versions
        todo += [(inner, depth + 1, versions) for inner in _rows(row, "branches")]


def _record(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _rows(value: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = value.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _texts(value: Mapping[str, Any], name: str) -> list[str]:
    found = value.get(name)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
