"""Stand in for Maven's central repository, where a machine cannot reach it: Debian's packages of Java libraries.

Debian has one version of most libraries and plugins. It is served under the version that is asked for, so that a
project resolves and builds without an edit, by other versions than its own.
"""

from __future__ import annotations

import io
import json
import re
import socket
import subprocess
import threading
import zipfile
from collections.abc import Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

CENTRAL = "repo.maven.apache.org"
# Debian lacks the usual parents of the poms of many projects, which only tell how they are published.
PARENTS = ("oss-parent", "org.kohsuke:pom")
# It lacks the plugin that publishes them too, which does nothing in a build.
PUBLISHERS = ("nexus-staging-maven-plugin",)
_PACKAGES = (
    "junit4", "libcommons-cli-java", "libcommons-io-java", "libcommons-lang3-java", "libjcommander-java",
    "libjna-java", "libjna-platform-java", "testng",
    *(f"libmaven-{name}-plugin-java"
      for name in ("antrun", "assembly", "bundle", "compiler", "dependency", "jar", "javadoc", "resources", "shade",
                   "source")),
    "libsurefire-java",
)  # fmt: skip
_PROJECT = """debian = import("fpack/debian").trixie
repository = package {{
  name = "repository"
  tools = [{tools}]
  install = "cp -rL /usr/share/maven-repo $out"
  strip = false
  fixup = null
}}
"""
_SETTINGS = "<settings><mirrors><mirror><mirrorOf>*</mirrorOf><url>{}</url></mirror></mirrors></settings>"
_NAMESPACE = "http://maven.apache.org/POM/4.0.0"
_DESCRIPTOR = "META-INF/maven/plugin.xml"


def is_needed() -> bool:
    """Return whether the central repository has no address on this machine."""
    try:
        socket.getaddrinfo(CENTRAL, 443)
    except OSError:
        return True
    return False


def start(program: Path, work: Path, environment: Mapping[str, str], packages: Collection[str] = ()) -> None:
    """Build the repository with fpack, serve it until this process ends, and let Maven's settings of HOME name it.

    packages: those of Debian that a project needs besides the usual ones.
    """
    directory = work / "maven"
    directory.mkdir(exist_ok=True)
    tools = ", ".join(f'debian."{name}"' for name in sorted({*_PACKAGES, *packages}))
    (directory / "fpack.fp").write_text(_PROJECT.format(tools=tools))
    words = [program, "build", "repository", "--no-link", "--json"]
    done = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, check=True)
    path = json.loads(done.stdout)["path"]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.root = Path(environment["FPACK_ROOT"], "store", Path(path).name)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = Path(environment["HOME"], ".m2/settings.xml")
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(_SETTINGS.format(f"http://127.0.0.1:{server.server_port}"))


def find(root: Path, path: str) -> bytes | None:
    """Return a file of a repository, or that of the newest version there is, under the version that is asked for."""
    parts = path.split("/")
    if not all(parts) or ".." in parts:
        return None
    if (root / path).is_file():
        return (root / path).read_bytes()
    *group, artifact, version, name = ["", "", "", *parts][-len(parts) - 3 :]
    if name == "maven-metadata.xml":
        return _index(root, [part for part in (*group, artifact, version) if part])
    if not name.startswith(f"{artifact}-{version}"):
        return None
    end = name.removeprefix(f"{artifact}-{version}")
    words = {"groupId": ".".join(filter(None, group)), "artifactId": artifact, "version": version}
    lines = "".join(f"<{tag}>{text}</{tag}>" for tag, text in words.items())
    if end == ".pom" and (artifact in PARENTS or f"{words['groupId']}:{artifact}" in PARENTS):
        return f"<project><modelVersion>4.0.0</modelVersion>{lines}<packaging>pom</packaging></project>".encode()
    if artifact in PUBLISHERS and end in (".pom", ".jar"):
        return _idle_plugin(lines, end)
    base = root.joinpath(*filter(None, group), artifact)
    there = [d.name for d in base.glob("*") if (d / f"{artifact}-{d.name}{end}").is_file() and d.name != "debian"]
    if not there:
        return None
    newest = max(there, key=lambda text: [int(number) for number in re.findall(r"\d+", text)])
    data = (base / newest / f"{artifact}-{newest}{end}").read_bytes()
    return _renamed(data, end, artifact, newest, version)


def _index(root: Path, parts: list[str]) -> bytes | None:
    """Return the index of the versions of an artifact."""
    found = [d.name for d in root.joinpath(*parts).glob("*") if re.match(r"\d", d.name)]
    if not found:
        return None
    versions = sorted(found, key=lambda text: [int(number) for number in re.findall(r"\d+", text)])
    listed = "".join(f"<version>{version}</version>" for version in versions)
    own = f"<groupId>{'.'.join(parts[:-1])}</groupId><artifactId>{parts[-1]}</artifactId>"
    newest = f"<latest>{versions[-1]}</latest><release>{versions[-1]}</release>"
    return f"<metadata>{own}<versioning>{newest}<versions>{listed}</versions></versioning></metadata>".encode()


def _idle_plugin(lines: str, end: str) -> bytes:
    """Return the pom or the jar of a plugin without goals."""
    if end == ".pom":
        head = "<project><modelVersion>4.0.0</modelVersion>"
        return f"{head}{lines}<packaging>maven-plugin</packaging></project>".encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as jar:
        jar.writestr(zipfile.ZipInfo(_DESCRIPTOR), f"<plugin><goalPrefix>idle</goalPrefix>{lines}<mojos/></plugin>")
    return made.getvalue()


def _renamed(data: bytes, end: str, artifact: str, old: str, new: str) -> bytes:
    """Return a pom or the jar of a plugin with another version of its own."""
    if end == ".pom":
        return _with_version(data, new)
    if end != ".jar" or _DESCRIPTOR.encode() not in data:
        return data
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(made, "w") as after:
        for entry in before.infolist():
            content = before.read(entry)
            if entry.filename == _DESCRIPTOR:
                content = content.replace(f"<version>{old}<".encode(), f"<version>{new}<".encode(), 1)
            after.writestr(entry, content)
    return made.getvalue()


def _with_version(pom: bytes, version: str) -> bytes:
    """Return a pom with another version of its own, which it may have from its parent alone. Comments are lost."""
    ElementTree.register_namespace("", _NAMESPACE)
    project = ElementTree.fromstring(pom)
    own = {element.tag.rpartition("}")[2]: index for index, element in enumerate(project)}
    if "version" in own:
        project[own["version"]].text = version
    else:
        element = ElementTree.Element(project.tag.replace("project", "version"))
        element.text = version
        project.insert(own["artifactId"] + 1, element)
    return ElementTree.tostring(project)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(True)

    def do_HEAD(self) -> None:
        """Answer with the size of a file."""
        self._answer(False)

    def _answer(self, is_whole: bool) -> None:
        data = find(self.server.root, self.path.removeprefix("/"))  # type: ignore[attr-defined]
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if data is not None and is_whole:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
