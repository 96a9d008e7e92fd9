"""`fpack patch`: make images of registries again with the archive's newer packages."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.store.errors import one_line

if TYPE_CHECKING:
    from fpack.cli.images.audits import Auditor


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
@click.option("--security", is_flag=True, help="Update only packages of which a security suite has a newer version.")
@click.option("--tag", default="", metavar="TAG", help="Give the new images this tag, and leave the old tag alone.")
@click.option("--dry-run", is_flag=True, help="Show the updates; build and push nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--data",
    multiple=True,
    metavar="PATH|URL",
    help="Vulnerability data for the VEX document of an image that has one, in place of that of the settings.",
)
@shared.plain_http
@shared.building
def command(
    references: tuple[str, ...],
    security: bool,
    tag: str,
    dry_run: bool,
    as_json: bool,
    data: tuple[str, ...],
    **rest: Any,
) -> int:
    """Rebuild images in registries with the newest packages of their archive, and push what differs.

    Each image needs its manifest, which fpack push puts beside it, but no project: only the parts that depend on
    updated packages are rebuilt. Layers that stay are not downloaded, and only new ones are sent. The result equals a
    build of the project with a lock of these versions, if the same version of fpack makes it. Bills of materials, a
    provenance and a VEX document that the old image has are made for the new one, too.

    --lock FILE takes the versions of a lock in place of the archive's newest. --arch updates only the image of this
    architecture of an index. If one image fails, the others are patched all the same, and the exit status is that of
    the first failure.
    """
    from fpack.cli.registries.references import is_remote
    from fpack.cli.ui.render import show_error
    from fpack.store.errors import FpackError

    options = shared.options(rest)
    for text in references:
        if not is_remote(text):
            raise UsageError(f"{text!r} is not a reference to an image in a registry", hint="write HOST/NAME:TAG")
    if options.lock is not None and security:
        raise UsageError("--lock and --security exclude each other", hint="fpack update --security changes a lock")
    if options.lock is not None and not options.lock.is_file():
        raise UsageError("There is no such lock", where=str(options.lock))
    if options.frozen and options.lock is None:
        raise UsageError("--frozen needs the lock with the versions to move to", hint="name it with --lock")
    patching = _PatchCommand(options, security, tag, dry_run, data)
    results = []
    status = 0
    for text in references:
        start = time.monotonic()
        result: dict[str, Any] = {"reference": text, "pushed": None, "images": [], "sent": 0}
        try:
            patching.patch(text, result)
        except FpackError as error:
            if len(references) == 1:
                raise
            show_error(error)
            status = status or error.exit_code
            result["error"] = one_line(str(error))
        result["seconds"] = round(time.monotonic() - start, 2)
        results.append(result)
        if not as_json:
            print("\n".join(_lines(result, dry_run)), flush=True)
    if as_json:
        shared.print_json({"images": results})
    return status


class _PatchCommand:
    """The options and settings that all references of a command share."""

    def __init__(
        self, options: shared.SharedOptions, security: bool, tag: str, dry_run: bool, data: tuple[str, ...]
    ) -> None:
        self._options = options
        self._security = security
        self._tag = tag
        self._dry_run = dry_run
        self._data = data

    @cached_property
    def _auditor(self) -> Auditor | None:
        from fpack.cli.images.optional_audit import optional_auditor

        return optional_auditor(self._data, (), False)

    def patch(self, text: str, result: dict[str, Any]) -> None:
        """Patch the image of a reference, and write into `result` what was done."""
        from fpack.cli.images.patch import patch
        from fpack.cli.images.push import contents
        from fpack.cli.images.push import push as pushing
        from fpack.cli.registries.references import remote_image

        image = remote_image(text)
        target = patch.destination(image.reference, self._tag)
        platforms = patch.plan(image, self._options, security=self._security)
        if not any(one.moved for one in platforms):
            result["images"] = [_unchanged(one) for one in platforms]
            return
        if self._dry_run:
            result["images"] = [{**_unchanged(one), "packages": [p._asdict() for p in one.moved]} for one in platforms]
            return
        auditor = self._auditor if any(one.documents.vex for one in platforms) else None
        with ExitStack() as stack:
            platforms, made = patch.build(platforms, self._options, stack, auditor, image)
            images = patch.changes(platforms, made)
            patch.check_tag(image, target)
            with pushing.display() as display:
                sent = pushing.push(
                    contents.of_packed(made),
                    target,
                    plain_http=shared.uses_plain_http(),
                    observer=display,
                    below=made.below,
                )
        result |= {"images": images, "pushed": f"{target}@{sent['digest']}", "sent": sent["sent"]}


def _unchanged(one: Any) -> dict[str, Any]:
    digest = one.head.image.manifest.digest
    return {
        "arch": one.head.image.arch, "old": digest, "new": digest, "packages": [],
        "layers": {"new": 0, "kept": len(one.head.layers)}, "bytes": 0, "others": [], "notes": list(one.notes),
    }  # fmt: skip


def _lines(result: dict[str, Any], dry_run: bool) -> list[str]:
    from fpack.cli.ui.render import megabytes

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
    if result.get("error"):
        lines.append("  failed, see above")
    if result["pushed"]:
        lines.append(f"  {result['pushed']}: sent {megabytes(result['sent'])}")
    return [one_line(line) for line in lines]  # a manifest of a registry may have any text
