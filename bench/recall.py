"""Count the CVE ids of real security uploads whose package can be found from a bill of materials.

Debian's vulnerabilities are keyed by source package and version. The truth are the changelogs of packages that came
from a security suite: the newest entry names a source, its version and the CVE ids that it fixes. A tool finds a CVE id
if its bill names that source with exactly that version, by one of the ways in which matchers look for it.

    bench/recall.py --packages 40 --index Packages --syft PATH --trivy PATH --debsbom PATH

debsbom is that of PyPI, with its extra `cdx`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote

RELEASE = "trixie"
_ENTRY = re.compile(r"^(\S+) \(([^)]+)\) ([^;]+);", re.MULTILINE)
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_LEFT_OUT = ("-dev", "-doc", "-dbg", "-dbgsym", "-common", "-data", "-source", "-udeb", "-tests", "-headers")

Pair = tuple[str, str]


def candidates(index: Path, count: int) -> list[str]:
    """Return packages of a security index, one of each source, spread evenly over the sources."""
    chosen: dict[str, str] = {}
    for stanza in index.read_text().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        name, source = fields.get("Package", ""), fields.get("Source", fields.get("Package", "")).split(" ")[0]
        big = int(fields.get("Installed-Size", "0")) > 8_000
        if not name or big or name.endswith(_LEFT_OUT) or fields.get("Section", "").split("/")[-1] in ("doc", "debug"):
            continue
        if source not in chosen or name.startswith("lib"):
            chosen[source] = name
    names = [chosen[source] for source in sorted(chosen)]
    step = max(1, len(names) // count)
    return names[::step][:count]


def truth(root: Path) -> dict[str, set[Pair]]:
    """Return the CVE ids that the newest changelog entries of packages fix, with the source and version of each."""
    found: dict[str, set[Pair]] = {}
    for path in sorted(root.glob("usr/share/doc/*/changelog.Debian.gz")):
        if path.is_symlink():
            continue
        text = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        first, *others = _ENTRY.finditer(text)
        if "security" not in first[3]:
            continue
        body = text[first.end() : others[0].start() if others else len(text)]
        for cve in _CVE.findall(body):
            found.setdefault(cve, set()).add((first[1], first[2]))
    return found


def of_purl(url: str) -> Iterator[Pair]:
    """Yield the source that a package URL of Debian names: its `upstream`, else the package itself."""
    if not url.startswith("pkg:deb/"):
        return
    path, _, query = url.partition("?")
    name, _, version = path.rpartition("/")[2].partition("@")
    values = parse_qs(query.replace("+", "%2B"))
    upstream = values.get("upstream", [""])[0]
    source, _, source_version = upstream.partition("@")
    epoch = values.get("epoch", [""])[0]
    version = unquote(version)
    full = f"{epoch}:{version}" if epoch and ":" not in version else version
    yield (unquote(source) or unquote(name), unquote(source_version) or full)


def by_name(url: str) -> Iterator[Pair]:
    """Yield what a matcher sees that takes the binary package for its source."""
    if url.startswith("pkg:deb/") and "arch=source" not in url:
        name, _, version = url.partition("?")[0].rpartition("/")[2].partition("@")
        yield unquote(name), unquote(version)


def of_properties(component: dict[str, object]) -> Iterator[Pair]:
    """Yield the source of a component by the properties that trivy writes."""
    rows = component.get("properties")
    values = {row["name"].rpartition(":")[2]: row["value"] for row in rows} if isinstance(rows, list) else {}
    if "SrcName" in values:
        version = values.get("SrcVersion", "") + (f"-{values['SrcRelease']}" if values.get("SrcRelease") else "")
        yield values["SrcName"], f"{values['SrcEpoch']}:{version}" if values.get("SrcEpoch") else version


def pairs(document: Path, ways: Iterable[str]) -> set[Pair]:
    """Return the sources that a CycloneDX or SPDX document names. ways: purl, name, properties."""
    value = json.loads(document.read_text())
    found: set[Pair] = set()
    urls: list[str] = []
    for component in value.get("components", ()):
        urls.append(component.get("purl", ""))
        if "properties" in ways:
            found.update(of_properties(component))
    for package in value.get("packages", ()):
        urls += [ref["referenceLocator"] for ref in package.get("externalRefs", ()) if ref["referenceType"] == "purl"]
    for element in value.get("@graph", ()):
        urls += [element["software_packageUrl"]] if "software_packageUrl" in element else []
    for url in urls:
        found.update(of_purl(url) if "purl" in ways else by_name(url))
    return found


def install(debs: Iterable[Path], root: Path) -> None:
    """Unpack packages into a root, with dpkg's list of them, as in a Debian that has these packages."""
    stanzas = []
    for deb in debs:
        run("dpkg-deb", "-x", deb, root)
        control = subprocess.run(["dpkg-deb", "-f", deb], check=True, capture_output=True, text=True).stdout.strip()
        name, _, rest = control.partition("\n")
        stanzas.append(f"{name}\nStatus: install ok installed\n{rest}\n")
    (root / "var/lib/dpkg").mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").write_text("\n".join(stanzas))


def run(*command: str | Path, **options: object) -> None:
    """Run a command. Raise CalledProcessError if it fails."""
    subprocess.run([str(part) for part in command], check=True, **options)  # type: ignore[call-overload]


def main() -> None:
    """Make the images and bills, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=40)
    parser.add_argument("--index", type=Path, required=True, help="the package index of the security suite, unpacked")
    parser.add_argument("--fpack", default="fpack")
    for tool in ("syft", "trivy", "debsbom"):
        parser.add_argument(f"--{tool}", default=shutil.which(tool))
    args = parser.parse_args()
    names = candidates(args.index, args.packages)
    place = Path(tempfile.mkdtemp(prefix="recall-"))
    listed = ", ".join(f'debian."{name}"' for name in names)
    (place / "fpack.fp").write_text(
        f'debian = import("fpack/debian").{RELEASE}\n'
        f'image = container {{ name = "recall", packages = [{listed}], closure = "depends" }}\n'
    )
    environ = {**os.environ, "FPACK_ROOT": str(place / "store"), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    formats = "cyclonedx-1.6,cyclonedx-1.7,spdx-2.3,spdx-3.0.1"
    run(args.fpack, "pack", "--no-configure", f"--sbom={formats}", "-o", "image.tar", cwd=place, env=environ)
    run("sh", "-c", "mkdir layout && tar -xf image.tar -C layout", cwd=place)
    root = place / "root"  # the same packages as Debian installs them
    install(sorted((place / "store" / "store").glob("*.deb")), root)
    documents = {name: (place / f"image.{name}.json", ("purl",)) for name in formats.split(",")}
    rows = {f"fpack, {name}": pairs(*entry) for name, entry in documents.items()}
    rows["fpack, by the names of binary packages"] = pairs(place / "image.cyclonedx-1.6.json", ("name",))
    if args.syft:
        run(args.syft, "-q", "scan", "oci-dir:layout", "-o", "cyclonedx-json=syft.json", cwd=place, env=environ)
        run(args.syft, "-q", "scan", "dir:root", "-o", "cyclonedx-json=syft-root.json", cwd=place, env=environ)
        rows["syft, fpack's image"] = pairs(place / "syft.json", ("purl",))
        rows["syft, Debian's root"] = pairs(place / "syft-root.json", ("purl",))
    if args.trivy:
        common = ("--format", "cyclonedx", "--offline-scan", "--skip-version-check", "--pkg-types", "os", "-o")
        run(args.trivy, "image", "--input", "layout", *common, "trivy.json", cwd=place)
        run(args.trivy, "rootfs", *common, "trivy-root.json", "root", cwd=place)
        rows["trivy, fpack's image"] = pairs(place / "trivy.json", ("properties",))
        rows["trivy, Debian's root"] = pairs(place / "trivy-root.json", ("properties",))
    if args.debsbom:
        run(args.debsbom, "generate", "-r", root, "-t", "cdx", "-o", place / "debsbom", cwd=place)
        rows["debsbom, Debian's root"] = pairs(place / "debsbom.cdx.json", ("purl",))
    known = truth(root)
    print(f"{len(names)} packages asked for; {len(known)} CVE ids in the newest entries of {RELEASE}-security")
    for name, found in rows.items():
        count = sum(bool(wanted & found) for wanted in known.values())
        print(f"| {name} | {count} | {count / max(1, len(known)):.1%} |")
    print(place)


if __name__ == "__main__":
    main()
