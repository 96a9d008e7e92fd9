"""Write and read OpenVEX 0.2.0. Documents in the older form 0.0.1, or within an in-toto statement, are read, too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .model import AFFECTED, NOT_AFFECTED, Finding
from .statements import JUSTIFICATIONS, STATUSES, BadVex, StatedProduct, VexStatement, read_time, show_time, text
from .vex_subject import VexSubject, component_urls, serial

CONTEXT = "https://openvex.dev/ns/v0.2.0"
NAMESPACE = "https://openvex.dev/ns"
MAX_STATEMENTS = 100_000
MAX_PRODUCTS = 500_000  # of all statements
_KNOWN = (NAMESPACE, f"{NAMESPACE}/v0.0.1", f"{NAMESPACE}/v0.2.0")


def document(findings: Sequence[Finding], subject: VexSubject) -> bytes:
    """Return the document about the findings of an image."""
    value: dict[str, Any] = {
        "@context": CONTEXT,
        "@id": "",
        "author": subject.author,
        "timestamp": show_time(subject.time),
        "version": 1,
        "tooling": f"fpack {subject.fpack}",
        "statements": [_statement(finding, subject) for finding in findings],
    }
    content = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if not findings:
        content += subject.purl  # nothing else of the document names the image
    value["@id"] = f"urn:uuid:{serial(hashlib.sha256(content.encode()).digest())}"
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _statement(finding: Finding, subject: VexSubject) -> dict[str, Any]:
    advisory = finding.advisory
    digest = subject.digest.removeprefix("sha256:")
    value: dict[str, Any] = {
        "vulnerability": {
            "name": advisory.id,
            **({"description": advisory.description} if advisory.description else {}),
            **({"aliases": sorted({*advisory.aliases} - {advisory.id})} if {*advisory.aliases} - {advisory.id} else {}),
        },
        "products": [
            {
                "@id": subject.purl,
                "identifiers": {"purl": subject.purl},
                "hashes": {"sha-256": digest},
                "subcomponents": [{"@id": url, "identifiers": {"purl": url}} for url in component_urls(finding)],
            }
        ],
        "status": finding.status,
    }
    facts = "; ".join(finding.evidence)
    if finding.status == NOT_AFFECTED:
        if finding.justification in JUSTIFICATIONS:
            value["justification"] = finding.justification
        value["impact_statement"] = facts or "The image is not affected."
    elif facts:
        value["status_notes"] = facts
    if finding.status == AFFECTED:
        value["action_statement"] = action(finding)
    return value


def action(finding: Finding) -> str:
    """Return what to do about a vulnerability."""
    product = finding.product
    if finding.fixed:
        return f"Update {product.name} from {product.version} to {finding.fixed}."
    return f"No version of {product.name} that fixes it is known."


def is_openvex(value: Mapping[str, Any]) -> bool:
    """Return whether a document is one of OpenVEX, perhaps within an in-toto statement."""
    return _context(_predicate(value)) in _KNOWN


def _context(value: Mapping[str, Any]) -> str:
    found = value.get("@context")
    first = found[0] if isinstance(found, list) and found else found
    return first.rstrip("/") if isinstance(first, str) else ""


def _predicate(value: Mapping[str, Any]) -> Mapping[str, Any]:
    kind, inner = value.get("predicateType"), value.get("predicate")
    return inner if isinstance(kind, str) and kind.startswith(NAMESPACE) and isinstance(inner, dict) else value


def read(value: Mapping[str, Any], where: str) -> tuple[list[VexStatement], list[str]]:
    """Return the statements of a document, and which of them are ignored and why. Raise BadVex if it is invalid."""
    top = _predicate(value)
    author, rows = text(top, "author", 200), top.get("statements")
    if not isinstance(rows, list) or len(rows) > MAX_STATEMENTS:
        raise BadVex(
            "The document cannot be read", where=where, why=f"it has no list of at most {MAX_STATEMENTS} statements"
        )
    found: list[VexStatement] = []
    ignored: list[str] = []
    total = 0
    for number, row in enumerate(rows, 1):
        made = _read(row, top, author, where) if isinstance(row, dict) else "it is not a record"
        if isinstance(made, str):
            ignored.append(f"{where}: statement {number} is ignored: {made}")
            continue
        total += sum(1 + len(item.parts) for item in made.products)
        if total > MAX_PRODUCTS:
            raise BadVex("The document cannot be read", where=where, why=f"it names more than {MAX_PRODUCTS} products")
        found.append(made)
    return found, ignored


def _read(row: Mapping[str, Any], top: Mapping[str, Any], author: str, where: str) -> VexStatement | str:
    """Return a statement, or why it is ignored."""
    about = row.get("vulnerability")
    record: Mapping[str, Any] = about if isinstance(about, dict) else {"name": about}
    aliases = record.get("aliases")
    names = [text(record, "name"), *(aliases if isinstance(aliases, list) else [])]
    names = [name for name in names if isinstance(name, str) and is_name(name)]
    status, justification, impact = (text(row, name) for name in ("status", "justification", "impact_statement"))
    when = next((t for t in map(read_time, _times(row, top)) if t is not None), None)
    if not names:
        return "it names no vulnerability"
    if status not in STATUSES:
        return "its status is unknown"
    if when is None:
        return "it has no timestamp"
    if not author:
        return "the document has no author"
    if justification and justification not in JUSTIFICATIONS:
        return "its justification is unknown"
    if status == NOT_AFFECTED and not justification and not impact:
        return "it does not say why the product is not affected"
    rows = row.get("products")
    products = tuple(filter(None, map(_product, rows if isinstance(rows, list) else [])))
    if not products:
        return "it names no product"
    return VexStatement(tuple(names), products, status, justification, impact, when, author, where)


def is_name(name: str) -> bool:
    """Return whether a text can be the name of a vulnerability."""
    return 0 < len(name) <= 200 and name.isprintable() and not {*"*? "} & {*name}


def _times(row: Mapping[str, Any], top: Mapping[str, Any]) -> Iterable[Any]:
    for record in (row, top):
        yield record.get("last_updated")
        yield record.get("timestamp")


def _product(value: Any) -> StatedProduct | None:
    record: Mapping[str, Any] = value if isinstance(value, dict) else {"@id": value}
    urls = _urls(record)
    hashes = record.get("hashes")
    sha256 = [hashes.get(name) for name in ("sha-256", "sha256")] if isinstance(hashes, dict) else []
    rows = record.get("subcomponents")
    if rows is not None and (not isinstance(rows, list) or not rows):
        return None
    parts = [url for row in rows or [] for url in _urls(row if isinstance(row, dict) else {"@id": row})]
    if rows and not parts:
        return None  # a statement about parts that cannot be identified is about none
    found = tuple(item.lower() for item in sha256 if isinstance(item, str) and len(item) == 64)
    return StatedProduct(urls, found, tuple(parts)) if urls or found else None


def _urls(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the package URLs of a product or a part of one."""
    identifiers = record.get("identifiers")
    texts = [record.get("@id"), identifiers.get("purl") if isinstance(identifiers, dict) else None]
    return tuple(dict.fromkeys(item for item in texts if isinstance(item, str) and item.startswith("pkg:")))
