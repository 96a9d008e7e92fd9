"""Judge which packages independent rebuilders reproduced, by documents that were fetched before.

`evaluate` is a pure function: packages of a manifest, a policy and documents give a result for each package. An
operator has reproduced a package if a server of it has an attestation that a key of it signed, about the .deb of that
name with the digests of the lock: SHA-256, or SHA-512 if the archive lists no other. Each operator has one vote,
however many servers, keys and attestations it has, and an attestation counts only for the operator whose server has it:
a server signs what workers of others sent to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from fpack.builders.debian.lock.records import LockedDeb

from . import in_toto_link, rebuilder_answers
from .rebuilder_answers import BAD, GOOD, MAX_ATTESTATIONS, BuildEntry
from .rebuilder_policy import Operator, RebuilderPolicy

# The states of a package at an operator. If its servers differ, the first of these counts.
REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NO_DATA = "no data"
UNPROVEN = "unproven"  # a server says that it reproduced the package, but nothing proves it
FAILED = "failed"  # a build ended without a result
NOT_TRIED = "not tried"
STATES = (REPRODUCED, NOT_REPRODUCED, NO_DATA, UNPROVEN, FAILED, NOT_TRIED)

# The verdicts about a package.
ENOUGH = "reproduced"
EXCEPTED = "excepted"
REFUSED = "refused"
UNKNOWN = "unknown"  # too few operators reproduced it, but with an answer of the others it could be enough


class RebuilderAnswer(NamedTuple):
    """An answer of a server. data: its bytes, None if there are none. error: why, or "" if it has no such document."""

    data: bytes | None
    error: str = ""


RebuilderAnswers = Mapping[tuple[str, str], RebuilderAnswer]  # by server and path
Read = Callable[[str, str], RebuilderAnswer]
ABSENT = RebuilderAnswer(None, "there is no answer of it in the bundle")


class OperatorResult(NamedTuple):
    """An operator's result for a package. why: in words, "" if the state says it all. keys: that signed it, as text.

    server: the server that the state is from, or "" if no server knows the package.
    """

    operator: str
    state: str
    why: str = ""
    keys: tuple[str, ...] = ()
    server: str = ""


class PackageResult(NamedTuple):
    """The results of all operators for a package, and what follows. reason: of an exception.

    sha256, sha512: "" if the lock does not have it.
    """

    name: str
    version: str
    arch: str
    sha256: str
    verdict: str
    operators: tuple[OperatorResult, ...]
    reason: str = ""
    sha512: str = ""

    @property
    def votes(self) -> int:
        """The number of operators that reproduced the package."""
        return sum(result.state == REPRODUCED for result in self.operators)


def evaluate(
    packages: Iterable[LockedDeb], policy: RebuilderPolicy, documents: RebuilderAnswers
) -> tuple[PackageResult, ...]:
    """Return the result for each package, sorted by name. Answers of servers that are not configured are unused."""

    def read(server: str, path: str) -> RebuilderAnswer:
        return documents.get((server, path), ABSENT)

    return tuple(
        _package(package, policy, read) for package in sorted(packages, key=lambda item: (item.name, item.arch))
    )


def _package(package: LockedDeb, policy: RebuilderPolicy, read: Read) -> PackageResult:
    results = tuple(ask(package, operator, read) for operator in policy.operators)
    found = PackageResult(package.name, package.version, package.arch, package.sha256, ENOUGH, results)
    found = found._replace(sha512=package.sha512)
    if found.votes >= policy.required:
        return found
    if reason := policy.excuse(package.name, package.version):
        return found._replace(verdict=EXCEPTED, reason=reason)
    silent = sum(result.state == NO_DATA for result in results)
    return found._replace(verdict=UNKNOWN if found.votes + silent >= policy.required else REFUSED)


def ask(package: LockedDeb, operator: Operator, read: Read) -> OperatorResult:
    """Ask the servers of one operator about a package. read: returns a document of a server."""
    if not rebuilder_answers.distribution(package):
        return OperatorResult(operator.name, NOT_TRIED, f"its archive, {package.archive}, is of no known distribution")
    return _first(_server(package, operator, server, read) for server in operator.servers)


def _first(results: Iterable[OperatorResult]) -> OperatorResult:
    """Return the result whose state counts."""
    return min(results, key=lambda result: STATES.index(result.state))


def _server(package: LockedDeb, operator: Operator, server: str, read: Read) -> OperatorResult:
    def result(state: str, why: str = "", keys: Iterable[bytes] = ()) -> OperatorResult:
        texts = tuple(in_toto_link.format_key(key) for key in keys)
        return OperatorResult(operator.name, state, why, texts, server if state != NOT_TRIED else "")

    old, document = False, read(server, rebuilder_answers.list_path(package))
    if document.data is None and not document.error:
        old, document = True, read(server, rebuilder_answers.old_list_path(package))
    if document.data is None:
        return result(NO_DATA, document.error or "it does not answer as a rebuilderd")
    try:
        entries = rebuilder_answers.read_list(document.data, package, old)
    except ValueError as error:
        return result(NO_DATA, f"its list of builds is malformed: {error}")
    claims = [entry for entry in entries if entry.status == GOOD]
    if claims:
        return _first(result(*_proof(package, operator, server, entry, read)) for entry in claims[:MAX_ATTESTATIONS])
    if any(entry.status == BAD for entry in entries):
        return result(NOT_REPRODUCED)
    return result(FAILED) if any(entry.tried for entry in entries) else result(NOT_TRIED)


def _proof(
    package: LockedDeb, operator: Operator, server: str, entry: BuildEntry, read: Read
) -> tuple[str, str, tuple[bytes, ...]]:
    """Return whether an attestation proves that the operator reproduced the package: the state, why, and the keys."""
    if not entry.attestation:
        return UNPROVEN, "it has no attestation", ()
    document = read(server, entry.attestation)
    if document.data is None:
        return (NO_DATA, document.error, ()) if document.error else (UNPROVEN, "its attestation is missing", ())
    try:
        link = in_toto_link.parse(document.data)
    except ValueError as error:
        return UNPROVEN, f"its attestation is malformed: {error}", ()
    keys = in_toto_link.signers(link, operator.keys)
    if not keys:
        return UNPROVEN, "its attestation has no valid signature of a configured key", ()
    file = rebuilder_answers.file_name(package)
    if link.name not in ("rebuild", f"rebuild {file}") or file not in link.products:
        return UNPROVEN, "its attestation is about something else", ()
    product = link.products[file]
    pairs = (("SHA-256", package.sha256, product.sha256), ("SHA-512", package.sha512, product.sha512))
    shared = [(name, wanted, found) for name, wanted, found in pairs if wanted and found]
    for name, wanted, found in shared:
        if wanted != found:
            return UNPROVEN, f"its attestation is about a file with the {name} {found}", ()
    if not shared:
        return UNPROVEN, "its attestation has no digest that the archive's index has too", ()
    return REPRODUCED, "", keys
