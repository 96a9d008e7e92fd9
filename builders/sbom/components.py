"""Make the components of an image and its system, and state the licences that follow from files and from parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from fpack.builders.manifest import base_manifest
from fpack.builders.manifest.format import BaseRecord, Head, PathMeta
from fpack.builders.oci import spec
from fpack.builders.oci.spec import Descriptor

from .facts import Facts, OsRelease
from .licences.check import conjunction, is_expression
from .model import Component, CopyrightFacts, Hashes, Licence
from .provenance import Provenance
from .purl import cpe, purl

_SYSTEM_VENDORS = {"debian": ("debian", "debian_linux"), "ubuntu": ("canonical", "ubuntu_linux")}
_SUPPLIERS = {"debian": "Debian", "ubuntu": "Ubuntu"}
_COPYRIGHT_OF_PARTS = "The copyright notices of the packages in it."


def image_component(head: Head, supplier: str) -> Component:
    """Return the component of an image. supplier: who supplies it; by default the vendor that a label names."""
    image = head.image
    name = image.name.rpartition("/")[2].lower()
    url = purl("oci", "", name, image.manifest.digest, {"arch": image.arch, "tag": image.tag})
    config = image.configuration.get("config") or {}
    labels = config.get("Labels") or {}
    stated = str(labels.get("org.opencontainers.image.licenses", ""))
    licence = Licence(stated, stated if is_expression(stated) else "")
    sha256 = image.manifest.digest.removeprefix("sha256:")
    return Component(
        ref=url,
        kind="container",
        name=image.name,
        version=image.tag,
        arch=image.arch,
        purl=url,
        supplier=supplier or str(labels.get("org.opencontainers.image.vendor", "")),
        homepage=str(labels.get("org.opencontainers.image.url", "")),
        description=str(labels.get("org.opencontainers.image.description", "")),
        declared=licence,
        effective=licence,
        hashes=Hashes(sha256=sha256, sha512=_manifest_sha512(head)),
        size=image.manifest.size,
        file=sha256,  # in an OCI layout
    )


def _manifest_sha512(head: Head) -> str:
    """Return the SHA-512 of the image's own manifest, whose content follows from that of fpack."""
    layers = [Descriptor(*layer.blob) for layer in head.layers]
    data = spec.dump(spec.manifest(Descriptor(*head.image.config), layers))
    return hashlib.sha512(data).hexdigest() if spec.digest(data) == head.image.manifest.digest else ""


def system_component(facts: Mapping[str, Facts], provenance: Provenance, base: BaseRecord | None = None) -> Component:
    """Return the component of the distribution that an image was made from: that of its base, if it has one."""
    named = [f.os_release for _, f in sorted(facts.items()) if f.os_release is not None]
    release = provenance.release
    usual = provenance.distribution if release else "linux"
    system = named[0] if named else OsRelease(usual, release, release)
    if base is not None and (found := base_manifest.packages(base).os_release)[0]:
        system = OsRelease(*found)
    supplier = _SUPPLIERS.get(system.id, "")
    if supplier and system.home.startswith(("https://", "http://")):
        supplier = f"{supplier} <{system.home}>"
    vendor, product = _SYSTEM_VENDORS.get(system.id, ("", system.id))
    return Component(
        ref=f"os:{system.id}@{system.version}" if system.version else f"os:{system.id}",
        kind="operating-system",
        name=system.id,
        version=system.version,
        cpe=cpe("o", vendor, product, system.version),
        supplier=supplier,
        homepage=system.home,
        description=system.codename,
        hashes=system.hashes,
        file=system.file,
    )


def described(component: Component, meta: PathMeta | None) -> Component:
    """Return a component with what the image or the package says of itself."""
    if meta is None:
        return component
    licence = Licence(meta.licence, meta.licence if is_expression(meta.licence) else "") if meta.licence else None
    return component._replace(
        homepage=meta.homepage or component.homepage,
        description=meta.description or component.description,
        declared=licence or component.declared,
        effective=licence or component.effective,
        supplier=meta.maintainers[0] if meta.maintainers else component.supplier,
        originator=meta.originator or component.originator,
        cpe=meta.cpe or component.cpe,
        purl=meta.purl or component.purl,
    )


def common_licence(found: CopyrightFacts | None) -> tuple[Licence, str]:
    """Return the licence that all files of a package have, and their copyright, if its copyright file has only one.

    The paths in a copyright file are those of the source. Of a file that was built, no stanza is known.
    """
    if found is None or not found.stanzas:
        return Licence(), ""
    licences = {(stanza.original, stanza.expression) for stanza in found.stanzas}
    if len(licences) != 1:
        return Licence(), ""
    texts = {stanza.copyright for stanza in found.stanzas}
    return Licence(*licences.pop()), texts.pop() if len(texts) == 1 else ""


def together(component: Component, parts: Iterable[Component]) -> Component:
    """Return a component with the licences and the notice of its parts, unless it states its own or a part has none."""
    found = list(parts)
    expressions = [part.effective.expression for part in found]
    if found and all(expressions) and not component.effective.expression:
        component = component._replace(effective=Licence("", conjunction(expressions)))
    if found and all(part.copyright for part in found) and not component.copyright:
        component = component._replace(copyright=_COPYRIGHT_OF_PARTS)
    return component
