"""`fpack sign`: sign an image in a file or in a registry."""

from __future__ import annotations

from pathlib import Path

import click
from fpack.cli import options as shared
from fpack.cli.verbs.key import passphrase_file


@click.command(
    "sign",
    epilog="""\b
Examples:
  fpack sign postgres.tar --key release         with a key of yours, see fpack key
  fpack sign layout/ --key ci.pem --key qa.pem
  fpack sign registry.example/team/postgres:17 --key release
  fpack verify postgres.tar --key release.pub   says what is signed, and fails if the manifest is not

\b
With cosign:
  fpack pack postgres --push HOST/postgres:17
  fpack sign HOST/postgres:17 --key release
  cosign verify --key release.pub --insecure-ignore-tlog HOST/postgres@sha256:DIGEST""",
)
@click.argument("image")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    metavar="KEY",
    help="A private key: a file, or a name in your directory of keys; can be repeated.",
)
@passphrase_file
@shared.plain_http
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(image: str, keys: tuple[str, ...], passphrase_file: Path | None, as_json: bool) -> int:
    """Sign IMAGE, a tar, an OCI layout or an image in a registry: the image, its manifest, its provenance, its bills of
    materials and its VEX document.

    The signatures are added to the file or the registry, in the forms that cosign reads. The image keeps its digest. An
    image that differs from its manifest is not signed. If this machine built the image, its bills of materials must
    equal those that fpack makes of it.
    """
    from fpack.builders.verify.evidence.local import LocalEvidence
    from fpack.cli.images.attestations import signing
    from fpack.cli.keys import key_files
    from fpack.cli.paths import cache_directory
    from fpack.cli.ui.render import warn
    from fpack.cli.workspace.target import find_image
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import one_line

    phrase = key_files.passphrase(passphrase_file)
    found = {key.public.spki: key for key in (key_files.load_private(name, phrase) for name in keys)}
    found_image = find_image(image, Path.cwd())
    place = Path(image) if found_image is None else found_image
    with Workspace(shared.SharedOptions()) as workspace:
        evidence = LocalEvidence(None, cache_directory() / "debian")
        result = signing.sign(place, list(found.values()), evidence, workspace if workspace.has_store else None)
    for name in result.uncompared:
        warn(f"the bill of materials in the format {name} is signed as it is: this machine did not build the image")
    fingerprints = [key.public.fingerprint for key in found.values()]
    if as_json:
        signed = [
            {"what": item.kind, "type": item.type, "digest": item.digest, "platform": item.platform or None}
            for item in result.subjects
        ]
        value = {"image": str(place), "digest": result.digest, "keys": fingerprints, "signed": signed}
        shared.print_json({**value, "added": result.added})
        return 0
    print(f"{one_line(str(place))}: {result.digest}")
    for kind, words in (
        ("image", "the image"),
        ("manifest", "its manifest"),
        ("provenance", "its provenance"),
        ("sbom", "bills of materials"),
        ("vex", "what it states of vulnerabilities"),
    ):
        if count := sum(1 for item in result.subjects if item.kind == kind):
            print(f"  {words}{f' ({count})' if count > 1 or kind == 'sbom' else ''}")
    how = "signed by" if result.added else "nothing changed: it is signed by"
    print(f"  {how} {', '.join(fingerprints)}")
    return 0
