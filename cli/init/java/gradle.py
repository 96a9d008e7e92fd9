"""Guess how a Gradle project is built and run. Its scripts are programs: only what they usually say is found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from ..guess import LIBRARY, Guess, clean_name, clean_version, text
from ..project import Project

# The scripts of a project and of those below it, and what they say of a program.
_SCRIPT = re.compile(r"(?:[\w.-]+/){0,2}build\.gradle(?:\.kts)?")
_APPLICATION = re.compile(
    r"\bid\s*\(?\s*[\"']application[\"']|^[ \t]*application[ \t]*$|apply plugin:\s*[\"']application|"
    r"apply\s*\(\s*plugin\s*=\s*\"application",
    re.MULTILINE,
)
_SHADOW = re.compile(r"com\.github\.johnrengelman\.shadow|com\.gradleup\.shadow|\bshadowJar\b")
_MAIN = re.compile(r"[\"']Main-Class[\"']\]?\s*(?::|=|to\b|,)")
_STATED = re.compile(r"^[ \t]*version\s*=?\s*[\"']([\w.+-]+)[\"']", re.MULTILINE)
_BELOW = re.compile(r"\bproject\s*\(\s*[\"']:([\w.:-]+)[\"']\s*\)\s*\{")
# Settings that give a project another name than that of its directory, or another directory than that of its name.
_RENAMED = re.compile(r"\bproject\s*\(\s*[\"']:([\w.:-]+)[\"']\s*\)\.name\s*=\s*[\"']([\w.-]+)[\"']")
_MOVED = re.compile(
    r"\bproject\s*\(\s*[\"']:([\w.:-]+)[\"']\s*\)\.projectDir\s*=\s*(?:new\s+File|file)\s*\("
    r"[^\"'\n]{0,80}[\"'](?:\$\{?\w++\}?)?[./]*+([\w./-]+)[\"']"
)
_PROGRAM = re.compile(r"\bapplicationName\s*=\s*[\"']([\w.-]+)[\"']")
_REPOSITORY = re.compile(
    r"\bmaven\s*(?:\{\s*(?:name\b.*\s+)?(?:url|setUrl)[\s=(]*(?:uri\s*\()?|\(\s*)[\"'](https?://[^\s\"'$]+)[\"']"
)
_BRACE = re.compile(r"[{}]")
_PUBLISHING = re.compile(r"\bpublishing\s*\{")
_GOOGLE = "https://dl.google.com/dl/android/maven2"
# Levels of Java in a script: a number, or the name of a property.
_LEVEL = re.compile(
    r"(?:(?:source|target)Compatibility\s*(?:=|\.set\(|\s)\s*|--release[\"']?,\s*|options\.release(?:\s*=|\.set\()\s*)"
    r"(?:JavaVersion\.(?:VERSION_|toVersion\()?|[\"'])?(1[._])?(\d{1,2}|[A-Za-z]\w*)\b"
)
_TOOLCHAIN = re.compile(r"\b(?:JavaLanguageVersion\.of|jvmToolchain)\s*\(\s*[\"']?(\d{1,2})[\"']?\s*\)")
# Strings and comments, each up to the end if nothing closes it.
_STRING_OR_COMMENT = re.compile(
    r"\"(?:[^\"\\\n]|\\.)*+\"?|'(?:[^'\\\n]|\\.)*+'?|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?", re.DOTALL
)
# What versions of Gradle after Debian's 4.4 have: in scripts of projects that have no wrapper. A script can define the
# same names for itself.
_NEWER = re.compile(
    r"(?<!\bdef\s)(?<!\bvoid\s)(?<!\bfun\s)(?<!\bString\s)(?<!\bext\.)(?:"
    r"\b(?:enableFeaturePreview|withSourcesJar|withJavadocJar|dependencyResolutionManagement|useJUnitPlatform|"
    r"archiveClassifier|archiveBaseName|archiveFileName|archiveVersion|JavaLanguageVersion|annotationProcessor)\b|"
    r"\btasks\.(?:register|named)\b|\boptions\.release\b|\bmainClass\s*(?:=|\.set\b)|\b(?:platform|enforcedPlatform)\()"
)
# Words that versions of Gradle dropped: the last release before that.
_DROPPED = (
    (re.compile(r"\bplugin:\s*[\"'](?:osgi|announce|build-dashboard)[\"']|\bid\s*\(?[\"']osgi[\"']"), "5.6.4"),
    (
        re.compile(
            r"^[ \t]*(?:compile|testCompile|runtime|testRuntime)(?:[ \t]+|\()[\"'(\w]|"
            r"\bplugin:\s*[\"']maven[\"']|\bid\s*\(?[\"']maven[\"']",
            re.MULTILINE,
        ),
        "6.9.4",
    ),
)
_RELEASE = "8.14"
_RELEASES = "https://services.gradle.org/distributions"
# The first version of Gradle that runs on a version of Java, best first.
_RUNS = (((9, 1), 25), ((8, 5), 21), ((7, 3), 17), ((5, 0), 11))
# Version of Java that Debian's releases have: the oldest level that it compiles.
JDKS: Mapping[int, int] = {11: 6, 17: 7, 21: 8, 25: 8}
DEFAULT_JDK = 21
_ENDED = 11  # that of bullseye
_TEXT = 1 << 16  # characters of a script that are read
_PARTS = 40  # parts of a script that are for another project, or for publishing


class GradleProgram(NamedTuple):
    """A project that has a program. folder: its directory. task: the one that makes it. name: of the program, or ""."""

    folder: str
    task: str
    name: str


def gradle(project: Project) -> Guess:
    """Guess from the scripts, the settings and the wrapper."""
    settings = _code(project.text("settings.gradle") + project.text("settings.gradle.kts"))
    named = re.search(r"rootProject\.name\s*=\s*[\"']([\w.-]+)[\"']", settings)
    reasons = ["build.gradle: a Gradle project"]
    todo: list[str] = []
    fields: list[tuple[str, str]] = []
    files = project.files.items()
    scripts = {f.rpartition("/")[0] or ".": _code((c or "")[:_TEXT]) for f, c in files if _SCRIPT.fullmatch(f)}
    programs = _programs(project, scripts, _names(settings))
    chosen = programs[0] if programs else None
    if chosen and chosen.folder != ".":
        fields.append(("module", text(chosen.folder)))
        reasons.append(f"{chosen.folder}: the project of the program")
    if chosen and chosen.task != "installDist":
        fields.append(("tasks", f"[{text(chosen.task)}]"))
    if chosen and chosen.task in ("jar", "shadowJar"):
        reasons.append("build.gradle: the jar names its main class")
    version = _distribution(project, {**scripts, "settings": settings}, fields, reasons)
    _java(project, scripts, version, fields, reasons, todo)
    repositories = sorted(set(_repositories(scripts, settings)))
    if repositories:
        fields.append(("repositories", f"[{', '.join(map(text, repositories))}]"))
    name = clean_name(named[1] if named else None, project)
    program = chosen.name if chosen and chosen.name else name
    if not chosen:
        fields += [("library", "true"), ("tasks", '["jar"]')]
        reasons.append(LIBRARY)
    if not project.has("gradle.lock"):
        todo.append("lock the libraries and plugins: fpack lock")
    stated = next((m[1] for c in scripts.values() if (m := _STATED.search(c))), None)
    entrypoint = [f"@/bin/{program}"] if chosen else None
    ports = [spring_port(project)] if chosen and chosen.task == "bootJar" else []
    return Guess("gradle", name, clean_version(stated), fields, [], entrypoint, ports, reasons, todo, not chosen)


def _code(script: str) -> str:
    """Return a script with a space in the place of each comment."""
    return _STRING_OR_COMMENT.sub(lambda found: " " if found[0].startswith("/") else found[0], script)


def _names(settings: str) -> Mapping[str, str]:
    """Return the names that projects have which are not those of their directories, by these."""
    moved = {match[2].rstrip("/"): match[1].rpartition(":")[2] for match in _MOVED.finditer(settings)}
    return {**moved, **{match[1].replace(":", "/"): match[2] for match in _RENAMED.finditer(settings)}}


def _programs(project: Project, scripts: Mapping[str, str], names: Mapping[str, str]) -> list[GradleProgram]:
    """Return the projects with a program, best first: Spring Boot's, those of `application`, jars with a main class.

    names: those of projects, by their directories, as far as they differ.
    """
    bodies = [(folder, _without(_BELOW, content)) for folder, content in sorted(scripts.items())]
    # A script may have the part of a project below it.
    parts = [(m, content) for _, content in sorted(scripts.items()) for m in islice(_BELOW.finditer(content), _PARTS)]
    bodies += [(match[1].replace(":", "/"), _block(content, match.end())) for match, content in parts]
    boot = [folder for folder, content in bodies if "org.springframework.boot" in content]
    if boot:
        return _with_sources(project, [GradleProgram(folder, "bootJar", "") for folder in boot])
    found = []
    for folder, content in bodies:
        if _APPLICATION.search(content):
            named = _PROGRAM.search(content)
            last = "" if folder == "." else names.get(folder, folder.rpartition("/")[2])
            found.append(GradleProgram(folder, "installDist", named[1] if named else last))
    if found:
        return _with_sources(project, found)
    jars = [GradleProgram(f, "shadowJar" if _SHADOW.search(c) else "jar", "") for f, c in bodies if _MAIN.search(c)]
    return _with_sources(project, jars)


def _with_sources(project: Project, programs: list[GradleProgram]) -> list[GradleProgram]:
    """Leave out a root project without sources, whose script only has plugins for those below, if there are others."""
    has_sources = any(file.startswith("src/main/") for file in project.files)
    return [p for p in programs if p.folder != "." or has_sources] or programs


def _block(content: str, start: int) -> str:
    """Return a text up to the brace that closes the one before `start`."""
    depth = 1
    for brace in _BRACE.finditer(content, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return content[start : brace.start()]
    return content[start:]


def _without(start: re.Pattern[str], content: str) -> str:
    """Return a script without its parts that begin with a match, as far as there are few."""
    for _ in range(_PARTS):
        if (found := start.search(content)) is None:
            break
        content = content[: found.start()] + content[found.end() + len(_block(content, found.end())) :]
    return content


def _repositories(scripts: Mapping[str, str], settings: str) -> Iterator[str]:
    """Yield the repositories that libraries and plugins come from, and not those that the project publishes to."""
    for content in (*scripts.values(), settings):
        content = _without(_PUBLISHING, content)
        if re.search(r"\bgoogle\s*\(\s*\)", content):
            yield _GOOGLE
        for match in _REPOSITORY.finditer(content):
            url = match[1].rstrip("/")
            if "plugins.gradle.org" not in url and "repo.maven.apache.org" not in url and "repo1.maven.org" not in url:
                yield url


def _distribution(
    project: Project, scripts: Mapping[str, str], fields: list[tuple[str, str]], reasons: list[str]
) -> tuple[int, int] | None:
    """Add the field for the version of Gradle that the wrapper names or the scripts need, and return that version."""
    stated = project.text("gradle/wrapper/gradle-wrapper.properties")
    found = re.search(r"^distributionUrl\s*=\s*(https?(?:\\)?://[^\s\"'$]+\.zip)\s*$", stated, re.MULTILINE)
    if found is None:
        why = _newer(project, scripts)
        if not why:
            reasons.append("it has no wrapper, so Debian's Gradle builds it")
            return None
        text_of = "\n".join(scripts.values())
        release = next((last for words, last in _DROPPED if words.search(text_of)), _RELEASE)
        fields.append(("distribution", text(f"{_RELEASES}/gradle-{release}-bin.zip")))
        reasons.append(f"it has no wrapper, and {why} needs a newer Gradle than Debian's 4.4, so {release} builds it")
        reasons.append(f"the SHA-256 of Gradle {release} is recorded in fpack.lock")
        return int(release.split(".")[0]), int(release.split(".")[1])
    url = found[1].replace("\\:", ":").replace("-all.zip", "-bin.zip")
    url = url.replace("http://services.gradle.org/", "https://services.gradle.org/")
    file = url.rpartition("/")[2]
    number = re.search(r"-(\d+)\.(\d+)", file)
    version = (int(number[1]), int(number[2])) if number else None
    if version and version < (5, 0):
        reasons.append(f"gradle/wrapper: {file} needs Java 8 or older, so Debian's Gradle builds it")
        return None
    reasons.append(f"gradle/wrapper: {file}")
    digest = re.search(r"^distributionSha256Sum\s*=\s*([0-9a-f]{64})\s*$", stated, re.MULTILINE)
    if digest is None or "-all.zip" in found[1]:
        fields.append(("distribution", text(url)))
        reasons.append("gradle/wrapper: it has no SHA-256 of this file; that is recorded in fpack.lock")
    else:
        fields.append(("distribution", f"fetch {{ url = {text(url)}, sha256 = {text(digest[1])} }}"))
    return version


def _newer(project: Project, scripts: Mapping[str, str]) -> str:
    """Return what of a project's scripts Debian's Gradle does not have, or ""."""
    kotlin = next((file for file in sorted(project.files) if file.endswith(".gradle.kts")), "")
    found = next((match for content in scripts.values() if (match := _NEWER.search(content))), None)
    return kotlin or (found[0].strip(" =(.") if found else "")


def _java(
    project: Project,
    scripts: Mapping[str, str],
    version: tuple[int, int] | None,
    fields: list[tuple[str, str]],
    reasons: list[str],
    todo: list[str],
) -> None:
    """Add the fields for the version of Java: one that Gradle runs on and that the project asks for."""
    most = next((java for first, java in _RUNS if version and version >= first), max(JDKS))
    properties: dict[str, str] = dict(
        re.findall(r"^[ \t]*([\w.]+)\s*[=:]\s*(?:1\.)?(\d{1,2})\s*$", project.text("gradle.properties"), re.M)
    )
    named: list[str] = [m[2] for content in scripts.values() for m in _LEVEL.finditer(content)]
    levels = [int(n) for n in (properties.get(n, n) for n in named) if n.isdigit()]
    chains = {int(m[1]) for content in scripts.values() for m in _TOOLCHAIN.finditer(content)}
    wanted = max(chains, default=0) or (max(levels, default=0) if max(levels, default=0) > DEFAULT_JDK else 0)
    jdk = wanted or max(java for java in JDKS if java <= min(most, DEFAULT_JDK))
    if jdk not in JDKS:
        todo.append(
            f"the project needs Java {jdk}, and Debian's releases have {', '.join(map(str, JDKS))}: change its scripts"
        )
        return
    if jdk > most:
        gradle_version = ".".join(map(str, version or ()))
        todo.append(f"the project needs Java {jdk}, on which Gradle {gradle_version} does not run: update its wrapper")
        return
    if jdk != DEFAULT_JDK:
        fields.append(("jdk", str(jdk)))
        why = f"it asks for Java {jdk}" if wanted else f"this version of Gradle runs on Java {jdk}"
        reasons.append(f"build.gradle: {why}" if wanted else f"gradle/wrapper: {why}")
    if jdk == _ENDED:
        reasons.append(f"Java {jdk} comes from a release of Debian without updates: use --accept-expired")
    if any(level < JDKS[jdk] for level in levels):
        fields.append(("level", str(JDKS[jdk])))
        reasons.append(f"build.gradle: Java {min(levels)}, which Java {jdk} compiles as Java {JDKS[jdk]}")


def spring_port(project: Project) -> int:
    """Return the port of a Spring Boot application."""
    for file, content in project.files.items():
        if file.endswith(("application.properties", "application.yml", "application.yaml")) and content:
            found = re.search(r"(?:^server\.port\s*=|^server:\s*\n\s+port:)\s*(\d{2,5})\b", content, re.MULTILINE)
            if found:
                return int(found[1])
    return 8080
