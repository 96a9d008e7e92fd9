"""Test how `fpack init` finds the module of the program, its main class and the version of Java in Maven projects."""

from __future__ import annotations

import pytest
from fpack.cli.init.guess import Guess
from fpack.cli.init.java import java
from fpack.cli.init.java.maven import parse
from fpack.cli.init.project import Project

HEAD = '<project xmlns="http://maven.apache.org/POM/4.0.0"><artifactId>{}</artifactId><version>1.2</version>'
SPRING = "<build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build>"


def _guess(files: dict[str, str]) -> Guess:
    found = java(Project("thing", files))
    assert found is not None
    return found


def _pom(name: str, more: str = "") -> str:
    return f"{HEAD.format(name)}{more}</project>"


def test_a_program_and_its_lock() -> None:
    files = {"pom.xml": _pom("tool", "<properties><exec.mainClass>a.B</exec.mainClass></properties>")}
    found = _guess(files)
    assert (found.call, found.name, found.version, found.entrypoint) == ("maven", "tool", "1.2", ["@/bin/tool"])
    assert found.fields == [("main", '"a.B"')] and found.todo == ["lock the libraries and plugins: fpack lock"]
    assert _guess({**files, "maven.lock": ""}).todo == []


def test_a_library_has_no_image() -> None:
    found = _guess({"pom.xml": _pom("tool"), "src/main/java/a/Text.java": ""})
    assert found.library and found.entrypoint is None and ("library", "true") in found.fields


def test_spring_boot_has_a_port_and_all_in_its_jar() -> None:
    files = {"pom.xml": _pom("shop", SPRING), "src/main/resources/application.properties": "server.port = 9090\n"}
    found = _guess(files)
    assert ("bundled", "true") in found.fields and list(found.ports) == [9090]
    assert list(_guess({"pom.xml": _pom("shop", SPRING)}).ports) == [8080]


def test_the_module_with_the_program() -> None:
    files = {
        "pom.xml": _pom(
            "all", "<packaging>pom</packaging><modules><module>core</module><module>app</module></modules>"
        ),
        "core/pom.xml": _pom("core"),
        "app/pom.xml": _pom("shop-app"),
        "app/src/main/java/org/example/Main.java": "",
    }
    found = _guess(files)
    assert found.name == "shop-app" and ("module", '"app"') in found.fields


def test_a_module_of_a_profile_is_not_the_program() -> None:
    modules = "<modules><module>app</module></modules>"
    profile = "<profiles><profile><modules><module>jmh</module></modules></profile></profiles>"
    root = f"<project><artifactId>whole</artifactId><packaging>pom</packaging>{modules}{profile}</project>"
    inner = "<project><artifactId>{}</artifactId></project>"
    files = {"pom.xml": root, "app/pom.xml": inner.format("app"), "jmh/pom.xml": inner.format("whole")}
    main = "src/main/java/Main.java"
    found = java(Project("whole", {**files, f"app/{main}": "void main()", f"jmh/{main}": "void main()"}))
    assert found is not None and ("module", '"app"') in found.fields


@pytest.mark.parametrize(
    ("version", "field", "todo"),
    [("17", [], 1), ("1.8", [], 1), ("25", [("jdk", "25")], 1), ("99", [], 2), ("${x}", [], 1)],
)
def test_the_version_of_java(version: str, field: list[tuple[str, str]], todo: int) -> None:
    more = f"<properties><mainClass>a.B</mainClass><java.version>{version}</java.version></properties>"
    found = _guess({"pom.xml": _pom("tool", more)})
    assert [pair for pair in found.fields if pair[0] == "jdk"] == field and len(found.todo) == todo


@pytest.mark.parametrize(
    ("more", "is_raised"),
    [
        ("<properties><maven.compiler.source>1.5</maven.compiler.source></properties>", True),
        ("<properties><jvm>1.7</jvm></properties><build><target>${jvm}</target></build>", True),
        ("<properties><jvm>1.7</jvm></properties>", False),
        ("<build><source>1.8</source><target>8</target></build>", False),
        ("<build><release>7</release></build>", True),
        ("<build><target><echo/></target></build>", False),
    ],
)
def test_levels_that_java_does_not_compile_are_raised(more: str, is_raised: bool) -> None:
    found = _guess({"pom.xml": _pom("tool", more)})
    assert (("level", "8") in found.fields) == is_raised


def test_other_repositories_are_named() -> None:
    more = "<repositories><repository><url>https://r.example.org/x</url></repository></repositories>"
    assert ("repositories", '["https://r.example.org/x"]') in _guess({"pom.xml": _pom("tool", more)}).fields


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<project",
        '<!DOCTYPE x [<!ENTITY a "b">]><project/>',
        "<project>" + "<a>" * 10_000,
        "\x00",
    ],
)
def test_what_is_no_pom(content: str) -> None:
    assert parse(content, ".") is None
    assert _guess({"pom.xml": content}).todo[0].startswith("mend pom.xml")


def test_modules_outside_and_without_end() -> None:
    more = "<modules><module>../../etc</module><module>.</module></modules>"
    assert _guess({"pom.xml": _pom("tool", more)}).library


SHADE = "<plugin><artifactId>maven-shade-plugin</artifactId></plugin>"
ASSEMBLY = "<plugin><artifactId>maven-assembly-plugin</artifactId>{}</plugin>"
EXECUTION = "<executions><execution><goals><goal>single</goal></goals></execution></executions>"
BUNDLE = "<configuration><descriptorRef>jar-with-dependencies</descriptorRef></configuration>"


@pytest.mark.parametrize(
    ("more", "is_bundled"),
    [
        (f"<build><plugins>{SHADE}</plugins></build>", True),
        (f"<build><pluginManagement><plugins>{SHADE}</plugins></pluginManagement></build>", False),
        (f"<profiles><profile><build><plugins>{SHADE}</plugins></build></profile></profiles>", False),
        (f"<build><plugins>{ASSEMBLY.format(BUNDLE + EXECUTION)}</plugins></build>", True),
        (f"<build><plugins>{ASSEMBLY.format(BUNDLE)}</plugins></build>", False),
        (f"<build><plugins>{ASSEMBLY.format(EXECUTION)}</plugins></build>", False),
    ],
)
def test_a_plugin_that_runs_makes_a_jar_with_all(more: str, is_bundled: bool) -> None:
    found = _guess({"pom.xml": _pom("tool", more), "src/main/java/a/Main.java": ""})
    assert (("bundled", "true") in found.fields) == is_bundled


def test_repositories_to_publish_to_are_not_asked() -> None:
    pom = _pom(
        "tool",
        "<distributionManagement><repository><url>https://publish.example/</url></repository></distributionManagement>"
        "<repositories><repository><url>https://more.example/</url></repository></repositories>",
    )
    assert ("repositories", '["https://more.example/"]') in _guess({"pom.xml": pom}).fields
