"""Make vulnerability data as Debian's security tracker and OSV publish it, and open it as fpack does."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fpack.builders.audit.databases.compiled import CompiledData
from fpack.builders.audit.databases.debian_tracker import TrackerData
from fpack.builders.audit.databases.files import compile_file, open_compiled
from fpack.builders.audit.databases.osv import OsvData, compile_osv
from fpack.builders.audit.model import Product

Tracker = Mapping[str, Mapping[str, Any]]


def state(fixed: str = "", **fields: str) -> dict[str, Any]:
    """Return a vulnerability's state in a release: resolved if `fixed` is given, else open. fields: such as urgency."""
    value: dict[str, Any] = {"status": "resolved" if fixed else "open", "urgency": "not yet assigned", **fields}
    return {**value, "fixed_version": fixed} if fixed else value


def entry(description: str = "a flaw", **releases: dict[str, Any]) -> dict[str, Any]:
    """Return a vulnerability of a source package, by release."""
    return {"description": description, "scope": "remote", "debianbug": 1, "releases": releases}


def tracker(data: Tracker) -> TrackerData:
    """Return the tracker's data, compiled and opened."""
    found = opened(json.dumps(data).encode())
    assert isinstance(found, TrackerData)
    return found


def affected(ecosystem: str, name: str, *events: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """Return a package that a document is about. events: of one range of versions."""
    ranges = [{"type": "ECOSYSTEM", "events": [{kind: version} for kind, version in events]}] if events else []
    return {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, **fields}


def document(number: str, *packages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an OSV document."""
    return {"id": number, "modified": "2026-11-01T00:00:00Z", "summary": "a flaw", "affected": list(packages), **fields}


def osv(*documents: Any) -> OsvData:
    """OSV documents, compiled and opened."""
    return OsvData(CompiledData(compile_osv(((f"document {n}", d) for n, d in enumerate(documents, 1)), "osv.json")))


def opened(data: bytes, where: str = "data.json") -> TrackerData | OsvData:
    """Compile and open the content of a file."""
    return open_compiled(compile_file(io.BytesIO(data), where))


def product(name: str, version: str, ecosystem: str = "Debian", release: str = "") -> Product:
    """Return a product of an image."""
    return Product(ecosystem, release or ("trixie" if ecosystem == "Debian" else ""), name, version, f"pkg:{name}")


def ids(found: Sequence[Any]) -> list[str]:
    """Return the ids of findings or advisories."""
    return [getattr(item, "advisory", item).id for item in found]
