"""The stand-in for Maven's central repository serves what it has under the version that is asked for."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from corpus.maven_stand_in import find

POM = "<project><parent><version>9</version></parent><artifactId>tool</artifactId>{}<name>t</name></project>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for version in ("1.9", "1.10", "debian"):
        directory = tmp_path / "org/x/tool" / version
        directory.mkdir(parents=True)
        (directory / f"tool-{version}.pom").write_text(POM.format(f"<version>{version}</version>"))
    with zipfile.ZipFile(tmp_path / "org/x/tool/1.10/tool-1.10.jar", "w") as jar:
        jar.writestr("META-INF/maven/plugin.xml", "<plugin><version>1.10</version></plugin>")
    return tmp_path


def test_the_newest_version_has_the_name_of_another(root: Path) -> None:
    assert find(root, "org/x/tool/1.9/tool-1.9.pom") == POM.format("<version>1.9</version>").encode()
    assert find(root, "org/x/tool/7/tool-7.pom") == POM.format("<version>7</version>").encode()
    jar = find(root, "org/x/tool/7/tool-7.jar")
    assert jar is not None
    with zipfile.ZipFile(io.BytesIO(jar)) as opened:
        assert opened.read("META-INF/maven/plugin.xml") == b"<plugin><version>7</version></plugin>"


def test_a_pom_without_a_version_of_its_own_gets_one(root: Path) -> None:
    other = "<dependencies><dependency><version>1.10</version></dependency></dependencies>"
    (root / "org/x/tool/1.10/tool-1.10.pom").write_text(POM.format(other))
    assert find(root, "org/x/tool/7/tool-7.pom") == POM.format(f"<version>7</version>{other}").encode()


def test_what_is_not_there_is_not_found(root: Path) -> None:
    for path in (
        "org/x/tool/7/tool-7.war",
        "org/x/other/7/other-7.pom",
        "org/x/tool/7/../../tool",
        "x",
        "org/x/tool/7/a",
    ):
        assert find(root, path) is None
    parent = find(root, "org/sonatype/oss/oss-parent/7/oss-parent-7.pom")
    assert parent is not None and b"<groupId>org.sonatype.oss</groupId>" in parent


def test_the_index_of_versions_is_made(root: Path) -> None:
    index = find(root, "org/x/tool/maven-metadata.xml")
    assert index is not None and b"<release>1.10</release>" in index
    assert b"<versions><version>1.9</version><version>1.10</version></versions>" in index
    assert find(root, "org/x/other/maven-metadata.xml") is None


def test_a_plugin_that_publishes_does_nothing(root: Path) -> None:
    name = "nexus-staging-maven-plugin"
    path = f"org/y/{name}/1.6/{name}-1.6"
    pom, jar = find(root, f"{path}.pom"), find(root, f"{path}.jar")
    assert pom is not None and b"<packaging>maven-plugin</packaging>" in pom and jar is not None
    with zipfile.ZipFile(io.BytesIO(jar)) as opened:
        assert b"<mojos/>" in opened.read("META-INF/maven/plugin.xml")
