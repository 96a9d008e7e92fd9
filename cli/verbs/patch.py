"""`fpack patch`: make images of registries again with the archive's newer packages."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError


@click.command(
    "patch",
    epilog="""\b
Examples:
  fpack patch registry.example/team/app:1.0 --dry-run
  fpack patch registry.example/team/app:1.0 --security
  fpack patch registry.example/team/app:1.0 registry.example/team/db:17 --security
  fpack patch registry.example/team/app:1.0 --tag 1.0-1""",
)
@click.argument("references", nargs=-1, required=True, metavar="REF...")
@click.option("--security", is_flag=True, help="Move only packages of which a security suite has a newer version.")
@click.option("--tag", default="", metavar="TAG", help="Give the new images this tag, and leave the old tag alone.")
@click.option("--dry-run", is_flag=True, help="Show the packages that would move, and build and push nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
@shared.building
def command(references: tuple[str, ...], security: bool, tag: str, dry_run: bool, as_json: bool, **rest: Any) -> int:
    """Make images of registries again with the newest packages of their archive, and push what differs.

    Each image needs its manifest, which fpack push puts beside it, but no project: what the image is made of is made
    again for the packages that move, and all else stays. Layers of the old image are never downloaded, and only new
    ones are sent. The result equals a build of the project with a lock of these versions, if the same version of fpack
    makes it.
    """
    from fpack.cli.images.patch import patch
    from fpack.cli.images.push import contents
    from fpack.cli.images.push import push as pushing
    from fpack.cli.registries.references import is_remote, remote_image

    options = shared.options(rest)
    for text in references:
        if not is_remote(text):
            raise UsageError(f"{text!r} is not a reference to an image in a registry", hint="write HOST/NAME:TAG")
    results = []
    for text in references:
        start = time.monotonic()
        image = remote_image(text)
        target = patch.destination(image.reference, tag)
        platforms = patch.plan(image, options, security=security)
        result: dict[str, Any] = {"reference": text, "pushed": None, "images": [], "sent": 0}
        if not any(one.moved for one in platforms):
            result["images"] = [_unchanged(one) for one in platforms]
        elif dry_run:
            result["images"] = [{**_unchanged(one), "packages": [p._asdict() for p in one.moved]} for one in platforms]
        else:
            with ExitStack() as stack:
                made = patch.build(platforms, options, stack)
                result["images"] = patch.changes(platforms, made)
                patch.check_tag(image, target)
                with pushing.display() as display:
                    sent = pushing.push(
                        contents.of_packed(made),
                        target,
                        plain_http=shared.uses_plain_http(),
                        observer=display,
                        below=made.below,
                    )
            result |= {"pushed": f"{target}@{sent['digest']}", "sent": sent["sent"]}
        result["seconds"] = round(time.monotonic() - start, 2)
        results.append(result)
        if not as_json:
            print("\n".join(_lines(result, dry_run)), flush=True)
    if as_json:
        shared.print_json({"images": results})
    return 0


def _unchanged(one: Any) -> dict[str, Any]:
    digest = one.head.image.manifest.digest
    return {
        "arch": one.head.image.arch, "old": digest, "new": digest, "packages": [],
        "layers": {"new": 0, "kept": len(one.head.layers)}, "bytes": 0, "others": [], "notes": list(one.notes),
    }  # fmt: skip


def _lines(result: dict[str, Any], dry_run: bool) -> list[str]:
    from fpack.cli.ui.render import megabytes
    from fpack.store.errors import one_line

    lines = [f"{result['reference']}"]
    for one in result["images"]:
        if not one["packages"]:
            lines.append(f"  {one['arch']}: all packages are current")
            continue
        lines += [f"  {item['name']} {item['old']} -> {item['new']}" for item in one["packages"]]
        if not dry_run:
            layers = one["layers"]
            lines.append(
                f"  {one['arch']}: {layers['new']} of {layers['new'] + layers['kept']} layers are new, "
                f"{megabytes(one['bytes'])}"
            )
        if one["others"]:
            lines.append(f"  layers of other packages that differ, too: {', '.join(one['others'])}")
        lines += [f"  note: {text}" for text in one["notes"]]
    if result["pushed"]:
        lines.append(f"  {result['pushed']}: sent {megabytes(result['sent'])}")
    return [one_line(line) for line in lines]  # a manifest of a registry may have any text
