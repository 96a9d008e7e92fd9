"""Check the rules of CSAF 2.0, section 6.1, that concern documents of the profile VEX.

The numbers are those of the standard. Left out are the rules about CVSS and CWE, about other profiles, and about
translations, of which generated documents have nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from .package_urls import parse

CATEGORY = "csaf_vex"
BASE = "csaf_base"  # of a document without vulnerabilities
_AFFECTED = ("first_affected", "known_affected", "last_affected")
_NOT = ("known_not_affected",)
_FIXED = ("first_fixed", "fixed")
_OPEN = ("under_investigation",)
_MAX_FLAGS = 1  # of a product in a document of the profile: a flag justifies why it is not affected
_INTEGER = re.compile(r"(?:0|[1-9][0-9]*)\Z")
_SEMANTIC = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:[-+][0-9A-Za-z.+-]+)?\Z")
MAX_DEPTH = 40


def broken_rules(document: Mapping[str, Any], *, reading: bool = False) -> list[str]:
    """Return the rules that a document breaks. reading: only those on which the meaning of its statements depends."""
    found = [*_products(document), *_statuses(document)]
    if not reading:
        found += [*_tracking(document), *_vulnerabilities(document), *_profile(document)]
    return found


def _records(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the records in a value."""
    if depth > 3 * MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _records(item, depth + 1)


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name) or []
    if not isinstance(found, list):
        raise ValueError(f"{name} is not a list")
    return found


def _defined(document: Mapping[str, Any]) -> tuple[list[str], list[str], list[tuple[str, str, str]]]:
    """Return the identifiers of products and of groups, and the relationships as (new, part, whole)."""
    tree = document.get("product_tree") or {}
    products, relations = [], []
    for record in _records(tree):
        if "product_id" in record and "name" in record:
            products.append(record["product_id"])
        if "relates_to_product_reference" in record:
            new = record["full_product_name"]["product_id"]
            relations.append((new, record["product_reference"], record["relates_to_product_reference"]))
    return products, [group["group_id"] for group in _list(tree, "product_groups")], relations


def _used(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (kind, identifier) of each product and group that something refers to."""
    for group in _list(document.get("product_tree") or {}, "product_groups"):
        yield from (("product", name) for name in group["product_ids"])
    for item in _list(document, "vulnerabilities"):
        for names in (item.get("product_status") or {}).values():
            yield from (("product", name) for name in names)
        for field in ("flags", "remediations", "scores", "threats"):
            for record in _list(item, field):
                yield from (("product", name) for name in record.get("product_ids") or record.get("products") or ())
                yield from (("group", name) for name in record.get("group_ids") or ())


def _products(document: Mapping[str, Any]) -> Iterator[str]:
    products, groups, relations = _defined(document)
    known = {"product": {*products}, "group": {*groups}}
    uses = [*_used(document), *(("product", name) for _, *pair in relations for name in pair)]
    for kind, name in uses:
        if name not in known[kind]:
            yield f"{'6.1.1' if kind == 'product' else '6.1.4'}: the {kind} {name!r:.80} is not defined"
    for rule, defined in (("6.1.2", products), ("6.1.5", groups)):
        for name, count in Counter(defined).items():
            if count > 1:
                yield f"{rule}: {name!r:.80} is defined {count} times"
    # A relationship defines a product by two others. It is valid if these can be defined before it, without a circle.
    needs = {new: {part, whole} for new, part, whole in relations}
    users: dict[str, list[str]] = {}
    for new, names in needs.items():
        for needed in names:
            users.setdefault(needed, []).append(new)
    ready = [name for name in users if name not in needs]
    while ready:
        name = ready.pop()
        for new in users.get(name, ()):
            needs[new].discard(name)
            if not needs[new]:
                ready.append(new)
    if circular := sorted(new for new, names in needs.items() if names):
        yield f"6.1.3: the product {circular[0]!r:.80} is defined by itself"


def _statuses(document: Mapping[str, Any]) -> Iterator[str]:
    for item in _list(document, "vulnerabilities"):
        status = item.get("product_status") or {}
        seen: dict[str, tuple[str, ...]] = {}
        for group in (_AFFECTED, _NOT, _FIXED, _OPEN):
            for name in {name for field in group for name in _list(status, field)}:
                if seen.setdefault(name, group) is not group:
                    yield f"6.1.6: the product {name!r:.80} has contradicting statuses"


def _tracking(document: Mapping[str, Any]) -> Iterator[str]:
    tracking = document["document"]["tracking"]
    history = tracking["revision_history"]
    numbers = [row["number"] for row in history]
    by_date = [row["number"] for row in sorted(history, key=lambda row: row["date"])]
    if by_date != sorted(numbers, key=_version_key):
        yield "6.1.14: the revisions have another order by date than by number"
    if tracking["version"] != by_date[-1]:
        yield "6.1.16: the version is not the latest of the revision history"
    draft = tracking["version"] == "0" or tracking["version"].startswith("0.") or "-" in tracking["version"]
    if draft and tracking["status"] != "draft":
        yield "6.1.17: the version is that of a draft, but the status is not draft"
    if tracking["status"] in ("final", "interim") and any(n == "0" or n.startswith("0.") for n in numbers):
        yield "6.1.18: a released document has a revision of a draft"
    if any("-" in number.partition("+")[0] for number in numbers):
        yield "6.1.19: a revision is a pre-release"
    if tracking["status"] == "draft" and not draft:
        yield "6.1.20: the status is draft, but the version is not that of a draft"
    major = [int(number.partition(".")[0]) for number in sorted(numbers, key=_version_key)]
    if major[0] not in (0, 1) or any(b - a > 1 for a, b in zip(major, major[1:], strict=False)):
        yield "6.1.21: a revision is missing"
    if len({*numbers}) != len(numbers):
        yield "6.1.22: a revision occurs twice"
    forms = {bool(_INTEGER.match(number)) for number in (*numbers, tracking["version"])}
    if len(forms) > 1 or not all(_INTEGER.match(n) or _SEMANTIC.match(n) for n in numbers):
        yield "6.1.30: versions have different forms"


def _version_key(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.split(r"[-+]", number)[0].split("."))


def _vulnerabilities(document: Mapping[str, Any]) -> Iterator[str]:
    names = [item["cve"] for item in _list(document, "vulnerabilities") if "cve" in item]
    for name, count in Counter(names).items():
        if count > 1:
            yield f"6.1.23: {name!r:.80} occurs {count} times"
    for record in _records(document.get("product_tree") or {}):
        if "purl" in record and parse(record["purl"]) is None:
            yield f"6.1.13: {record['purl']!r:.80} is not a package URL"
        for item in record.get("hashes") or ():
            algorithms = [entry["algorithm"] for entry in item["file_hashes"]]
            if len({*algorithms}) != len(algorithms):
                yield "6.1.25: a hash algorithm occurs twice"
        if record.get("category") == "product_version" and re.match(r"vers:|[<>=]", str(record.get("name"))):
            yield f"6.1.31: the version {record['name']!r:.80} is a range"
    for item in _list(document, "vulnerabilities"):
        for rule, field in (("6.1.29", "remediations"), ("6.1.32", "flags")):
            if any(not row.get("product_ids") and not row.get("group_ids") for row in item.get(field) or ()):
                yield f"{rule}: an entry of {field} is about no product"
        flagged = Counter(name for row in item.get("flags") or () for name in row.get("product_ids") or ())
        for name, count in flagged.items():
            if count > _MAX_FLAGS:
                yield f"6.1.33: the product {name!r:.80} has {count} justifications"


def _profile(document: Mapping[str, Any]) -> Iterator[str]:
    wanted = CATEGORY if document.get("vulnerabilities") else BASE
    if document["document"]["category"] != wanted:
        yield f"6.1.26: the category is not {wanted}"
    for item in _list(document, "vulnerabilities"):
        name = str(item.get("cve") or "a vulnerability")[:80]
        status = item.get("product_status") or {}
        if not any(status.get(field) for field in ("fixed", "known_affected", "known_not_affected", *_OPEN)):
            yield f"6.1.27.7: {name} has no product"
        if not item.get("cve") and not item.get("ids"):
            yield "6.1.27.8: a vulnerability has no identifier"
        for rule, field, lists, lack in (
            ("6.1.27.9", "known_not_affected", ("flags", "threats"), "does not say why it does not affect the product"),
            ("6.1.27.10", "known_affected", ("remediations",), "has no remediation for the product"),
        ):
            told = {product for key in lists for row in item.get(key) or () for product in row.get("product_ids") or ()}
            if untold := {*_list(status, field)} - told:
                yield f"{rule}: {name} {lack} {min(untold)!r:.80}"
        if not item.get("notes"):
            yield f"6.1.27.11: {name} has no note"
