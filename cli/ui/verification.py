"""Show the result of `fpack verify` as text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .render import counted, megabytes, paint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fpack.builders.verify.verify import VerifiedImage, VerifyResult

MAX_SHOWN = 40
MAX_NOTES = 10
MAX_OTHERS = 20
MAX_SETTING = 200
_SIGNED = {
    "image": "the image", "manifest": "its manifest", "provenance": "its provenance", "sbom": "a bill of materials",
    "vex": "its VEX document",
}  # fmt: skip


def show(
    image: str,
    outcome: VerifyResult,
    refused: str,
    proven: list[int | None],
    rebuilders: Sequence[Sequence[str]],
    verbose: bool,
) -> None:
    """Print the result as text.

    refused: the words for a policy that is not met, or "". proven: how many entries of each platform Debian's scripts
    made in a rebuild; None if it was not built again. rebuilders: the lines about them for each platform.
    """
    from fpack.store.errors import one_line

    from .render import colored

    report = outcome.report
    verdict = _verdict(outcome, refused, colored(sys.stdout))
    lines = [f"{one_line(image)}: {verdict}", plain(f"  {outcome.name}  {outcome.digest}")]
    if names := ", ".join(name[:MAX_SETTING] for name in outcome.other_names[:MAX_NOTES]):
        lines.append(plain(f"  named {names} here: names are no part of an image's content"))
    lines += _signers(outcome)
    limit = len(report.findings) if verbose else MAX_SHOWN
    for finding in report.findings[:limit]:
        layer = f"  [{finding.layer}]" if finding.layer else ""
        lines.append(plain(f"  {finding.kind}: {finding.where}: {finding.what}{layer}"))
    hidden = len(report.findings) + report.more - limit
    if hidden > 0:
        lines.append(f"  and {counted(hidden, 'more difference')}")
    if not report.differs:
        for number, (part, count) in enumerate(zip(outcome.images, proven, strict=True)):
            lines += _proof(part, part.platform if len(outcome.images) > 1 else "", count or 0, verbose)
            lines += map(plain, rebuilders[number] if rebuilders else ())
        if not outcome.given and not outcome.is_signed:
            lines.append(
                "  whoever can change the image can change this manifest: --manifest names one that you trust, "
                "and --key a key that signed it"
            )
        if outcome.artifacts:
            lines.append(plain(f"  other documents in it were not checked: {', '.join(outcome.artifacts)}"))
        if None not in proven:
            lines.append("  a rebuild from the manifest gives the same image")
    notes = report.notes if verbose else report.notes[:MAX_NOTES]
    lines += [plain(f"  not checked: {note}") for note in notes]
    if len(report.notes) > len(notes):
        lines.append(f"  not checked: {len(report.notes) - len(notes)} more (-v shows them)")
    print("\n".join(lines))


def _signers(outcome: VerifyResult) -> list[str]:
    """List what each trusted key signed."""
    found: dict[str, dict[str, int]] = {}
    names = {}
    for document in outcome.signatures.documents:
        words = _SIGNED.get(document.kind, f"a statement of the type {document.type}")
        for key in document.keys:
            names[key.fingerprint] = key.name
            counts = found.setdefault(key.fingerprint, {})
            counts[words] = counts.get(words, 0) + 1
    lines = [
        f"  signed by {names[key]} ({key}): "
        + ", ".join(f"{words} ({count} times)" if count > 1 else words for words, count in counts.items())
        for key, counts in found.items()
    ]
    if others := outcome.signatures.others:
        noun = "signed document is" if others == 1 else "signed documents are"
        lines.append(f"  {others} {noun} by other keys than those that you trust with --key or the setting verify.keys")
    return [plain(line) for line in lines]


def _verdict(outcome: VerifyResult, refused: str, color: bool) -> str:
    """Choose the words for the result. Only a manifest that the user named, or whose signer, proves anything."""
    if outcome.report.differs:
        return paint("DIFFERS", "red", color)
    if refused:
        return paint(f"REFUSED: {refused}", "red", color)
    if outcome.report.notes:
        return paint("NOT FULLY CHECKED", "yellow", color)
    is_proven = outcome.given or outcome.is_signed
    return paint("proven" if is_proven else "self-consistent", "green", color)


def _proof(part: VerifiedImage, platform: str, proven: int, verbose: bool) -> list[str]:
    from fpack.builders.verify.verify import WITHIN

    checked, packages = part.checked, part.packages
    origin = "the manifest in it" if part.manifest == WITHIN else part.manifest
    lines = [f"  {platform}  {checked.digest}"] if platform else []
    lines.append(
        f"  {counted(checked.layers, 'layer')}, {counted(checked.entries, 'entry', 'entries')}, "
        f"{counted(checked.files, 'file')} of {megabytes(checked.size)}: "
        f"as {origin} says"
    )
    if packages:
        by = {how: sum(1 for package in packages if package.compared == how) for how in ("deb", "payload", "")}
        words = {"deb": "with their .deb files", "payload": "with their payloads in the store"}
        parts = [f"{count} compared {words[how]}" for how, count in by.items() if count and how]
        signed = sum(1 for package in packages if package.signed)
        parts.append(f"{signed} in a signed index of {part.distribution}'s")
        lines.append(f"  {counted(len(packages), f'{part.distribution} package')}: {', '.join(parts)}")
    lines += _signatures(part)
    if proven:
        count = len(part.scripts.packages)
        lines.append(
            f"  {counted(proven, 'entry', 'entries')} made by {part.distribution}'s scripts, rebuilt here with "
            f"{counted(count, 'package')} from signed "
            "indexes"
        )
    lines += _others(part, proven, verbose)
    lines += _configuration(part)
    return [plain(line) for line in lines]


def _others(part: VerifiedImage, proven: int, verbose: bool) -> list[str]:
    """List the entries from elsewhere. Count those that maintainer scripts made, except for files with set-id bits.

    proven: the number of those that Debian's scripts made in a rebuild.
    """
    from itertools import islice

    from fpack.builders.manifest.format import CONFIGURED
    from fpack.builders.verify.other_entries import BASE

    others, count = part.others, len(part.others) - proven
    if not count:
        return ["  no other entry is from elsewhere" if proven else "  no entry is from elsewhere"]
    hides = len(others.configured) == proven
    claimed = 0 if hides else sum(other.origin == CONFIGURED and not other.is_set_id for other in others)
    base = 0 if part.head.base is None else sum(other.origin == BASE and not other.is_set_id for other in others)
    listed = (
        other
        for other in others
        if (other.origin != CONFIGURED or not hides and (verbose or other.is_set_id))
        and (other.origin != BASE or verbose or other.is_set_id)
    )
    shown = list(listed if verbose else islice(listed, MAX_OTHERS))
    lines = [f"  {count} {'entry is' if count == 1 else 'entries are'} from elsewhere:"]
    lines += [f"    {other.line()}" for other in shown]
    if claimed and not verbose:
        lines.append(
            f"    {claimed} made by {part.distribution}'s scripts, as the manifest says; --rebuild shows it "
            "(-v and --json show all)"
        )
    if base and not verbose and part.head.base is not None:
        lines.append(f"    {base} in the layers of the base {part.head.base.name}")
    hidden = count - len(shown) - claimed - (0 if verbose else base)
    if hidden > 0 and not verbose:
        lines.append(f"    and {hidden} more (-v and --json show all)")
    return lines


def _configuration(part: VerifiedImage) -> list[str]:
    """List the configuration of a container, which no archive signs."""
    import json

    from fpack.builders.verify.documents import settings

    lines = ["  configuration, which the image's author chose and no archive signs:"]
    found = settings(part.head.image.configuration)
    for name, value in {"User": "root", **found}.items():
        text = json.dumps(value, ensure_ascii=False)
        lines.append(f"    {name}: {text if len(text) <= MAX_SETTING else text[:MAX_SETTING] + '...'}")
    return lines


def _signatures(part: VerifiedImage) -> list[str]:
    """List when the distribution signed the releases that were used, and which keys have become invalid since."""
    from fpack.builders.debian.suites import show_date

    if not part.signed:
        return []
    dates = [f"{suite} on {show_date(entry.made)[:10]}" for suite, entry in sorted(part.signed.items())]
    lines = [f"  {part.distribution} signed {', '.join(dates)}"]
    for suite, entry in sorted(part.signed.items()):
        if entry.trouble:
            lines.append(f"  {suite}: the key {entry.key} was valid then; since then it {entry.trouble}")
    return lines


def plain(text: str) -> str:
    """Replace control characters in names from an image, which a terminal would interpret."""
    return "".join(c if c.isprintable() else "?" for c in text)
