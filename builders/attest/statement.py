"""Write and read in-toto statements: what a signer says about an image (https://in-toto.io/Statement/v1)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fpack.builders.streams import strict_json

from .dsse import EnvelopeError

STATEMENT = "https://in-toto.io/Statement/v1"
# cosign writes the version before.
STATEMENTS = (STATEMENT, "https://in-toto.io/Statement/v0.1")
PROVENANCE = "https://slsa.dev/provenance/v1"
MANIFEST = "urn:fpack:manifest:1"
OPENVEX = "https://openvex.dev/ns"
# The annotation of a layer that tells which kind of statement it is.
PREDICATE_TYPE = "in-toto.io/predicate-type"
CYCLONEDX, SPDX = "https://cyclonedx.org/bom", "https://spdx.dev/Document"
# The types of bills that are attached to an image, and those of their statements.
BILLS = {"application/vnd.cyclonedx+json": CYCLONEDX, "application/spdx+json": SPDX}
MAX_SUBJECTS = 1000


class Statement(NamedTuple):
    """A statement. subjects: name and digests of each, by algorithm. predicate: any JSON value."""

    subjects: tuple[tuple[str, dict[str, str]], ...]
    predicate_type: str
    predicate: Any

    def encode(self) -> bytes:
        """Return the canonical JSON form.

        It is ASCII, without control characters: texts of an image cannot drive a terminal that it is printed on.
        """
        subjects = [{"name": name, "digest": digests} for name, digests in self.subjects]
        value = {
            "_type": STATEMENT,
            "subject": subjects,
            "predicateType": self.predicate_type,
            "predicate": self.predicate,
        }
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return text.replace("\x7f", "\\u007f").encode()

    def is_about(self, digest: str) -> bool:
        """Return whether a blob is a subject. digest: `sha256:` and hexadecimal digits."""
        return any("sha256" in digests and f"sha256:{digests['sha256']}" == digest for _, digests in self.subjects)


def about(name: str, digest: str, predicate_type: str, predicate: Any) -> Statement:
    """Return a statement about one image. digest: of its manifest."""
    return Statement(((name, {"sha256": digest.removeprefix("sha256:")}),), predicate_type, predicate)


def manifest_predicate(sha256: str, size: int) -> dict[str, Any]:
    """Return what is signed of an image's manifest: digest and size of its canonical form."""
    return {"manifest": {"digest": {"sha256": sha256}, "size": size}}


def names_manifest(predicate: Any, sha256: str) -> bool:
    """Return whether the predicate of a signed manifest names the canonical form with this SHA-256."""
    manifest = predicate.get("manifest") if isinstance(predicate, dict) else None
    digests = manifest.get("digest") if isinstance(manifest, dict) else None
    return isinstance(digests, dict) and digests.get("sha256") == sha256


def parse(payload: bytes, where: str) -> Statement:
    """Read a statement. Raise EnvelopeError if it is invalid. Unknown fields are ignored."""
    try:
        value = strict_json.parse(payload)
        if not isinstance(value, dict) or value.get("_type") not in STATEMENTS:
            raise ValueError("it has no type of statement that fpack knows")
        predicate_type, subjects = value.get("predicateType"), value.get("subject")
        if not isinstance(predicate_type, str) or not predicate_type:
            raise ValueError("it has no predicateType")
        if not isinstance(subjects, list) or not subjects or len(subjects) > MAX_SUBJECTS:
            raise ValueError(f"it does not have 1 to {MAX_SUBJECTS} subjects")
        return Statement(tuple(map(_subject, subjects)), predicate_type, value.get("predicate"))
    except ValueError as error:
        raise EnvelopeError("This is not an in-toto statement", where=where, why=str(error)) from None


def _subject(value: Any) -> tuple[str, dict[str, str]]:
    name, digests = (value.get("name", ""), value.get("digest")) if isinstance(value, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(digests, dict) or not digests:
        raise ValueError("a subject has no digest")
    if not all(isinstance(digest, str) for digest in digests.values()):
        raise ValueError("a digest of a subject is not a text")
    return name, digests
