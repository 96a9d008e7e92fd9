"""`fpack trace`: follow a file of an image to its package, the signed index, the source package and the licence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.ui.render import megabytes

if TYPE_CHECKING:
    from fpack.cli.images.subject import Subject
    from fpack.cli.ui.layout import Branch

HASH = 16  # hexadecimal digits of digests in text; --json has all


@click.command(
    "trace",
    epilog="""\b
Examples:
  fpack trace /usr/bin/dash postgres.tar         an image file, by its manifest
  fpack trace /etc/passwd postgres               the image of a package or an attribute
  fpack trace /etc/nginx/nginx.conf layout/ --json""",
)
@click.argument("path")
@click.argument("image", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_file
@shared.building
def command(path: str, image: str | None, platform: str | None, as_json: bool, **rest: Any) -> int:
    """Follow the file PATH of IMAGE to its origin.

    The chain is: file, layer, slice or store path, .deb, signed index, release, source package, licence. IMAGE is a
    package, an attribute or an image file. The key that signed the release is shown if this machine has the release.
    """
    from fpack.builders.verify.evidence.local import LocalEvidence
    from fpack.cli.errors import UsageError
    from fpack.cli.images.subject import open_subject
    from fpack.cli.images.trace import trace
    from fpack.cli.paths import cache_directory
    from fpack.cli.registries.references import is_remote
    from fpack.cli.ui.layout import Page, show, tree
    from fpack.cli.workspace.target import is_archive
    from fpack.cli.workspace.workspace import Workspace

    absolute = path.startswith("/")  # a file of the image, which this machine may have as well
    if (not absolute and is_remote(path)) or (is_archive(Path(path)) and (not absolute or (image or "")[:1] == "/")):
        raise UsageError(
            f"{path} is an image, not a file in one",
            hint=f"name the file first, as in: fpack trace {image or '/usr/bin/env'} {path}",
        )
    with Workspace(shared.options(rest)) as workspace:
        subject = open_subject(workspace, image, platform)
        evidence = LocalEvidence(None, cache_directory() / "debian")
        found = trace(subject.manifest, path, evidence, workspace.usable_store(), _stated(subject))
        workspace.finish()
    if as_json:
        shared.print_json(found)
        return 0
    show(tree(Page(), [_file(found)]))
    return 0


def _stated(subject: Subject) -> Callable[[str], str | None]:
    """Return what gives the licence of a package by the bill that an image file carries."""
    from fpack.cli.images.file_bills import stated_licence
    from fpack.cli.images.stored_subject import StoredSubject

    if not isinstance(subject, StoredSubject):
        return lambda package: None
    image = subject.image
    return lambda package: stated_licence(image, package)


def _file(found: Mapping[str, Any]) -> Branch:
    entry = found["entry"]
    about = f"{entry['kind']}, {entry['mode']} {entry['uid']}:{entry['gid']}"
    if entry["sha256"]:
        about += f", {megabytes(entry['size'])}, sha256 {entry['sha256'][:HASH]}"
    return _branch(found["path"], f"-> {entry['target']}" if entry["target"] else "", about, _layer(found))


def _layer(found: Mapping[str, Any]) -> Branch:
    layer = found["layer"]
    about = f"{layer['digest'][: len('sha256:') + HASH]}, {megabytes(layer['size'])}"
    replaced = [
        _branch(f"in place of the file of {item['package']}", "", f"reason: {item['reason']}")
        for item in found["replaces"]
    ]
    return _branch("layer", f"{layer['number']} of {layer['of']}", about, _path(found), *replaced)


def _path(found: Mapping[str, Any]) -> Branch:
    """Return the branch of the store path, with what it was made of below it."""
    origin, package = found["origin"], found["package"]
    below = [_deb(found)] if package else []
    for item in found["inputs"]:
        hashes = item["sha256"] or item["tree"] or ", ".join(item["hashes"])
        below.append(_branch(item["kind"], item["name"], ", ".join([*item["urls"][:1], hashes[:64]])))
    members = {
        "data": "slice of the package",
        "control": "slice of the package, its control data",
        None: "of the package, by its .deb or by a maintainer script",
    }
    words = {
        "package": members[origin["member"]],
        "configured": f"made by the script {origin['script']}, sha256 {str(origin['script_sha256'])[:HASH]}",
        "generated": f"made by fpack, rule {origin['rule']}",
        "files": "a file of the container",
        "built": f"built, kind {origin['made_by']}",
    }
    return _branch(origin["path"], "", words[origin["kind"]], *below)


def _digest(item: Mapping[str, Any]) -> str:
    """Return the beginning of a digest that the lock has."""
    name = "sha256" if item["sha256"] else "sha512"
    return f"{name} {item[name][:HASH]}"


def _deb(found: Mapping[str, Any]) -> Branch:
    from fpack.builders.debian.suites import show_date

    package, index, release, source = (found[name] for name in ("package", "index", "release", "source"))
    below = []
    if index is not None:
        signature = release["signature"]
        if signature is None:
            signed = "its signature is not on this machine; fpack verify checks it"
        else:
            signed = f"signed {show_date(signature['made'])[:10]} by the key {signature['key']}"
            signed += f", which {signature['trouble']}" if signature["trouble"] else ""
        date = f"{release['suite']} of {show_date(release['date'])[:10]}"
        likely = "" if index["checked"] else ", by archive and date"
        about = f"{_digest(index)}{likely}"
        below.append(_branch("index", f"{index['suite']} {index['file']}", about, _branch("release", date, signed)))
    below.append(_branch("source", f"{source['name']} {source['version']}"))
    licence = found["licence"]
    where = [] if licence["in_image"] else ["in the .deb, not in the image"]
    below.append(_branch("licence", licence["file"], "; ".join([*filter(None, [licence["expression"]]), *where])))
    about = f"{package['file'].rpartition('/')[2]}, {_digest(package)}"
    return _branch(package["name"], package["version"], about, *below)


def _branch(name: str, detail: str = "", remark: str = "", *below: Branch) -> Branch:
    from fpack.cli.ui.layout import Branch, clean

    return Branch(clean(name), clean(detail), clean(remark), below)
