"""Guess how a Maven project is built and run, and tell which projects are Gradle's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from ..guess import LIBRARY, Guess, clean_name, clean_version, text
from ..project import Project
from .gradle import gradle, spring_port

JDKS = (21, 25)  # of trixie
# Plugins that put all that a program needs into its jar.
_BUNDLERS = ("spring-boot-maven-plugin", "maven-shade-plugin", "maven-assembly-plugin", "quarkus-maven-plugin")
_RELEASES = ("maven.compiler.release", "java.version", "maven.compiler.target", "maven.compiler.source")
_MAIN = ("mainClass", "start-class", "exec.mainClass", "main.class")
# Elements and, after `maven.compiler.`, properties with the version of Java of sources and classes.
_LEVELS = ("release", "source", "target", "testRelease", "testSource", "testTarget")
_OLDEST = 8  # the oldest level that JDKS compile
_DEPTH = 5  # levels of modules


class Pom(NamedTuple):
    """A pom.xml.

    folder: "." or its directory. plugins: their names. main: its main class, or "". repositories: URLs.
    modules: without those of profiles. levels: the versions of Java that it names for sources and classes.
    """

    folder: str
    artifact: str
    version: str
    packaging: str
    properties: dict[str, str]
    plugins: frozenset[str]
    main: str
    modules: tuple[str, ...]
    repositories: tuple[str, ...]
    levels: tuple[int, ...] = ()


def java(project: Project) -> Guess | None:
    """Guess from pom.xml, or from the files of Gradle."""
    if project.has("pom.xml"):
        return _maven(project)
    if project.has("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"):
        return gradle(project)
    return None


def _maven(project: Project) -> Guess:
    poms = _poms(project, ".", 0)
    root = poms[0] if poms else None
    reasons, todo = ["pom.xml: a Maven project"], []
    if root is None:
        todo.append("mend pom.xml, which cannot be read")
    fields: list[tuple[str, str]] = []
    runs = [pom for pom in poms if pom.packaging != "pom" and _runs(project, pom)]
    chosen = runs[0] if runs else None
    if len(runs) > 1:
        bundled = [pom for pom in runs if pom.plugins & set(_BUNDLERS)]
        named = [pom for pom in runs if root and pom.artifact in (root.artifact, project.name)]
        chosen = (named or bundled or runs)[0]
        others = ", ".join(pom.folder for pom in runs if pom is not chosen)
        reasons.append(f"{chosen.folder}: the module of the program; {others} have programs too")
    if chosen and chosen.folder != ".":
        fields.append(("module", text(chosen.folder)))
    plugins = (chosen.plugins if chosen else frozenset()) | (root.plugins if root else frozenset())
    if chosen and plugins & set(_BUNDLERS):
        fields.append(("bundled", "true"))
        reasons.append(f"pom.xml: {sorted(plugins & set(_BUNDLERS))[0]} makes a jar with all that it needs")
    elif chosen and (main := chosen.main or (root.main if root else "")):
        fields.append(("main", text(main)))
        reasons.append(f"pom.xml: the main class {main}")
    fields += _jdk(poms, reasons, todo)
    levels = [level for pom in poms for level in pom.levels]
    if levels and min(levels) < _OLDEST:
        fields.append(("level", str(_OLDEST)))
        reasons.append(f"pom.xml: Java {min(levels)}, which Java {JDKS[0]} compiles as Java {_OLDEST}")
    repositories = sorted({url for pom in poms for url in pom.repositories})
    if repositories:
        fields.append(("repositories", f"[{', '.join(map(text, repositories))}]"))
    if not project.has("maven.lock"):
        todo.append("lock the libraries and plugins: fpack lock")
    library = chosen is None
    if library:
        if root and root.packaging == "war":
            reasons.append("pom.xml: a web archive, which a servlet container such as Debian's tomcat10 runs")
        fields.append(("library", "true"))
        reasons.append(LIBRARY)
    name = clean_name((chosen or root).artifact if (chosen or root) else None, project)  # type: ignore[union-attr]
    ports = [spring_port(project)] if any("spring-boot" in p for p in plugins) else []
    entrypoint = None if library else [f"@/bin/{name}"]
    version = clean_version(root.version) if root else None
    return Guess("maven", name, version, fields, [], entrypoint, ports, reasons, todo, library)


def _poms(project: Project, folder: str, depth: int) -> list[Pom]:
    """Return the pom.xml of a directory and of its modules, as far as they can be read."""
    content = project.text("pom.xml" if folder == "." else f"{folder}/pom.xml")
    found = parse(content, folder) if content else None
    if found is None:
        return []
    below = [module if folder == "." else f"{folder}/{module}" for module in found.modules]
    return [found, *(pom for each in below if depth < _DEPTH for pom in _poms(project, each, depth + 1))]


def parse(content: str, folder: str) -> Pom | None:
    """Parse a pom.xml. Return None if it is malformed, or has a document type, which Maven ignores."""
    if "<!DOCTYPE" in content or "<!ENTITY" in content:
        return None
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError):
        return None

    def value(element: ElementTree.Element | None, *path: str) -> str:
        for name in path:
            element = next((c for c in element if _tag(c) == name), None) if element is not None else None
        return (element.text or "").strip() if element is not None else ""

    properties = {
        _tag(child): (child.text or "").strip()
        for element in root if _tag(element) == "properties" for child in element
    }  # fmt: skip

    def filled(given: str) -> str:
        return re.sub(r"\$\{([\w.-]+)\}", lambda name: properties.get(name[1], name[0]), given)

    plugins = frozenset(value(e, "artifactId") for e in _active(root) if _tag(e) == "plugin" and _is_used(e))
    mains = [(e.text or "").strip() for e in root.iter() if _tag(e) == "mainClass"]
    mains += [properties[name] for name in _MAIN if name in properties]
    modules = [(e.text or "").strip().strip("/") for e in _active(root) if _tag(e) == "module"]
    levels = [(e.text or "").strip() for e in root.iter() if _tag(e).removeprefix("maven.compiler.") in _LEVELS]
    # A repository elsewhere, below distributionManagement, is one to publish to.
    listed = [e for e in root.iter() if _tag(e) in ("repositories", "pluginRepositories")]
    repositories = [value(e, "url") for several in listed for e in several]
    return Pom(
        folder,
        filled(value(root, "artifactId")),
        filled(value(root, "version") or value(root, "parent", "version")),
        value(root, "packaging") or "jar",
        properties,
        plugins,
        next((filled(m) for m in mains if re.fullmatch(r"[\w.$]+", filled(m))), ""),
        tuple(m for m in modules if m and ".." not in m.split("/")),
        tuple(url for url in map(filled, repositories) if re.fullmatch(r"https?://[^\s\"'$]+", url)),
        tuple(int(m[1]) for given in levels if (m := re.fullmatch(r"(?:1\.)?(\d{1,2})", filled(given)))),
    )


def _active(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yield the elements that hold for a build: not those of profiles and of defaults for plugins."""
    yield element
    for child in element:
        if _tag(child) not in ("profiles", "pluginManagement", "reporting"):
            yield from _active(child)


def _is_used(plugin: ElementTree.Element) -> bool:
    """Return whether a plugin does something by itself: that which assembles does if it is told when and what."""
    if not any((e.text or "").strip() == "maven-assembly-plugin" for e in plugin if _tag(e) == "artifactId"):
        return True
    texts = {(e.text or "").strip() for e in plugin.iter()}
    return "jar-with-dependencies" in texts and any(_tag(e) == "execution" for e in plugin.iter())


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _runs(project: Project, pom: Pom) -> bool:
    """Return whether a module has a program: a main class, or files named as one usually is."""
    if pom.packaging == "war":
        return False
    prefix = "" if pom.folder == "." else f"{pom.folder}/"
    usual = re.compile(
        rf"{re.escape(prefix)}src/main/java/(.*/)?(Main|App|Application|\w+Application|Cli|\w*Main)\.java"
    )
    if pom.main or "spring-boot-maven-plugin" in pom.plugins and pom.packaging == "jar":
        return True
    return any(usual.fullmatch(file) or "public static void main" in (content or "")
               for file, content in project.files.items() if file.startswith(f"{prefix}src/main/java/"))  # fmt: skip


def _jdk(poms: list[Pom], reasons: list[str], todo: list[str]) -> list[tuple[str, str]]:
    """Return the field for the version of Java, if the project needs another one than the default."""
    stated = [pom.properties[name] for pom in poms for name in _RELEASES if name in pom.properties]
    versions = [int(v.removeprefix("1.")) for v in stated if re.fullmatch(r"(1\.)?\d{1,2}", v)]
    wanted = max(versions, default=JDKS[0])
    if wanted <= JDKS[0]:
        return []
    jdk = next((version for version in JDKS if version >= wanted), None)
    if jdk is None:
        todo.append(f"the project needs Java {wanted}, and trixie has {JDKS[-1]}: fpack init --release forky")
        return []
    reasons.append(f"pom.xml: Java {wanted}")
    return [("jdk", str(jdk))]
