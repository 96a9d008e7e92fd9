"""Collect what a page tells of an image from its `Subject`. Only this part of reports reads an image or the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.cli.images.stored_subject import StoredSubject
from fpack.cli.images.subject import BuiltSubject, Subject

from .contents import PageContents
from .graph import PackageGraph
from .text import visible, web_address

if TYPE_CHECKING:
    from fpack.builders.manifest.format import Head
    from fpack.builders.sbom.facts import Facts
    from fpack.cli.images.image_file import StoredImage
    from fpack.cli.workspace.workspace import Workspace


class PackageAbout(NamedTuple):
    """A package in a bill of materials. licence: an SPDX expression, or as the package names it, or ""."""

    licence: str
    homepage: str
    description: str


class ImageData(NamedTuple):
    """The data of a page about an image. head: of its manifest; None if it has none, then `absent` says why.

    image_id: the digest of the configuration. about: by package, for those of which the store has facts. graph: None
    without a manifest.
    """

    name: str
    tag: str
    digest: str
    image_id: str
    platform: str
    configuration: Mapping[str, Any]
    head: Head | None
    absent: str
    closure: str
    contents: PageContents
    graph: PackageGraph | None
    about: Mapping[str, PackageAbout]


def collect(workspace: Workspace, subject: Subject, with_facts: bool = False) -> ImageData:
    """Return what a page tells of an image. with_facts: also licences, which are read in the store.

    For an attribute, the facts are made if they are absent. An image file may carry a bill that tells them.
    """
    from fpack.builders.verify import documents

    from . import contents, graph

    if isinstance(subject, StoredSubject) and subject.image.data is None:
        return _bare(subject)
    reader = subject.manifest()
    head = reader.head
    image = head.image
    digest, image_id, configuration = image.manifest.digest, image.config.digest, image.configuration
    digests = [layer.blob.digest for layer in head.layers]
    if isinstance(subject, StoredSubject):  # what is in the file counts, whatever its manifest says
        stored = subject.image
        digest, image_id, configuration = stored.digest, stored.image_id, stored.configuration
        digests = _digests(stored)
    found = contents.read(reader, subject.layers(), digests)
    packages, needs, sizes = subject.packages(), subject.needs(), subject.sizes()
    return ImageData(
        name=image.name,
        tag=image.tag,
        digest=digest,
        image_id=image_id,
        platform=documents.platform_name(configuration),
        configuration=configuration,
        head=head,
        absent="",
        closure=next((str(d.args.get("mode")) for d in reader.derivations.values() if d.kind == "root"), ""),
        contents=found,
        graph=graph.package_graph((image.name, image.tag), packages, sizes, needs, subject.loads()),
        about=_about(workspace, subject) if with_facts else {},
    )


def graph_of(subject: Subject) -> PackageGraph:
    """Return the graph of an image's packages. Raise VerifyError if it has no manifest."""
    from .graph import package_graph

    image = subject.manifest().head.image
    return package_graph((image.name, image.tag), subject.packages(), subject.sizes(), subject.needs(), subject.loads())


def output_name(subject: Subject, ending: str) -> Path:
    """Return the name of a page about an image, in the working directory."""
    if isinstance(subject, StoredSubject):
        file = subject.image.file
        stem = (file.resolve() if isinstance(file, Path) else file).name.removesuffix(".tar")
    else:
        assert isinstance(subject, BuiltSubject)
        stem = subject.container.file_name
    return Path(f"{stem}.{ending}")


def _bare(subject: StoredSubject) -> ImageData:
    """Return what an image without a manifest says of itself."""
    from .contents import without_manifest

    image = subject.image
    name, colon, tag = image.name.rpartition(":")
    contents = without_manifest(subject.layers(), _digests(image))
    return ImageData(
        name=name if colon else image.name or image.file.name.removesuffix(".tar"),
        tag=tag if colon else "",
        digest=image.digest,
        image_id=image.image_id,
        platform=image.platform,
        configuration=image.configuration,
        head=None,
        absent=image.absent.replace(str(image.file), image.file.name),
        closure="",
        contents=contents,
        graph=None,
        about={},
    )


def _digests(image: StoredImage) -> list[str]:
    """Return the digests of an image's layers as they lie in the file."""
    return [layer.blob.digest if layer.blob is not None else layer.diff_id for layer in image.layers]


def _about(workspace: Workspace, subject: Subject) -> dict[str, PackageAbout]:
    from fpack.cli.images.stored_licence import stored_facts

    if isinstance(subject, BuiltSubject):
        from fpack.builders.sbom.documents import DEFAULT
        from fpack.cli.images import bills, manifests

        manifest = manifests.manifest(workspace, subject.container, manifests.SOURCES)
        workspace.realise([bills.bill(workspace, manifest, (DEFAULT,))])
    else:
        from fpack.cli.images.file_bills import stated_packages

        assert isinstance(subject, StoredSubject)
        stated = stated_packages(subject.image).items()
        if stated:
            return {
                name: PackageAbout(visible(item.licence), web_address(item.homepage), visible(item.description))
                for name, item in stated
            }
        if not workspace.has_store:
            return {}
    facts = stored_facts(subject.manifest(), workspace.store)
    return {name: _package_about(facts, name) for name in facts}


def _package_about(facts: Mapping[str, Facts], name: str) -> PackageAbout:
    """Return what is known of a package. It may have a link to the copyright file of another one."""
    own = facts[name].package
    seen, at = {name}, facts[name]
    while at.copyright is None and at.package is not None and at.package.documentation not in seen:
        other = facts.get(at.package.documentation)
        if other is None:
            break
        seen.add(at.package.documentation)
        at = other
    declared = at.copyright.declared if at.copyright is not None else None
    return PackageAbout(
        licence=visible(declared.expression or declared.original) if declared is not None else "",
        homepage=web_address(own.homepage) if own is not None else "",
        description=visible(own.description) if own is not None else "",
    )
