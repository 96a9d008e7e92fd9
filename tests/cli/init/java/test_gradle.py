"""Test how `fpack init` finds the program, the version of Gradle and that of Java in Gradle projects."""

from __future__ import annotations

import pytest
from fpack.cli.init.guess import Guess
from fpack.cli.init.java import java
from fpack.cli.init.project import Project

LOCK = ["lock the libraries and plugins: fpack lock"]
WRAPPER = "gradle/wrapper/gradle-wrapper.properties"


def _guess(files: dict[str, str]) -> Guess:
    found = java(Project("thing", files))
    assert found is not None
    return found


def _wrapper(version: str, more: str = "") -> dict[str, str]:
    return {WRAPPER: f"distributionUrl=https\\://services.gradle.org/distributions/gradle-{version}.zip\n{more}"}


def test_a_program_of_gradle() -> None:
    files = {
        "settings.gradle": "rootProject.name = 'shop'\n",
        "build.gradle": "plugins {\n    id 'application'\n}\nversion = '3.1'\n",
        "src/main/java/org/example/Main.java": "",
    }
    found = _guess(files)
    assert (found.call, found.name, found.version, found.entrypoint) == ("gradle", "shop", "3.1", ["@/bin/shop"])
    assert found.fields == [] and found.todo == LOCK
    assert _guess({**files, "gradle.lock": "{}"}).todo == []


def test_the_wrapper_names_the_version_of_gradle() -> None:
    files = {"build.gradle.kts": 'plugins { id("application") }', "gradle.lock": "{}", "src/main/x": ""}
    url = '"https://services.gradle.org/distributions/gradle-8.10-bin.zip"'
    found = _guess({**files, **_wrapper("8.10-bin", f"distributionSha256Sum={'0' * 64}\n")})
    assert not found.todo and dict(found.fields)["distribution"] == f'fetch {{ url = {url}, sha256 = "{"0" * 64}" }}'
    # The digest is that of another archive, or missing: it is recorded.
    for more in (_wrapper("8.10-all", f"distributionSha256Sum={'0' * 64}\n"), _wrapper("8.10-bin")):
        found = _guess({**files, **more})
        assert not found.todo and dict(found.fields)["distribution"] == url


@pytest.mark.parametrize(
    ("version", "script", "fields"),
    [
        ("9.1.0-bin", "", []),
        ("8.5-bin", "", []),
        ("8.4-bin", "", [("jdk", "17")]),
        ("7.3.2-all", "sourceCompatibility = 1.6", [("jdk", "17"), ("level", "7")]),
        ("6.9-bin", "", [("jdk", "11")]),
        ("9.1-bin", "java { toolchain { languageVersion = JavaLanguageVersion.of(25) } }", [("jdk", "25")]),
        ("8.10-bin", "kotlin { jvmToolchain(17) }", [("jdk", "17")]),
        ("9.1-bin", "sourceCompatibility = JavaVersion.VERSION_25", [("jdk", "25")]),
        ("8.10-bin", "sourceCompatibility = JavaVersion.VERSION_17", []),
        ("4.10.2-bin", "targetCompatibility = '1.7'", [("level", "8")]),
        ("2.9-all", "sourceCompatibility = javaVersion", [("level", "8")]),
        ("", "sourceCompatibility = JavaVersion.VERSION_1_5", [("level", "8")]),
        ("", "options.compilerArgs = ['--release', '6']", [("level", "8")]),
        ("", "options.release = 11", []),
    ],
)
def test_the_version_of_java(version: str, script: str, fields: list[tuple[str, str]]) -> None:
    files = {"build.gradle": script, "gradle.properties": "javaVersion = 1.7\nother = x\n"}
    found = _guess({**files, **(_wrapper(version) if version else {})})
    assert [field for field in found.fields if field[0] in ("jdk", "level")] == fields and found.todo == LOCK
    assert any("--accept-expired" in why for why in found.reasons) == (("jdk", "11") in fields)
    # Debian's Gradle has no `options.release`.
    assert ("distribution" in dict(found.fields)) == (version >= "5" or "options.release" in script)


@pytest.mark.parametrize(
    ("file", "script", "release", "jdk"),
    [
        ("build.gradle", "java { toolchain { languageVersion = JavaLanguageVersion.of(17) } }", "8.14", "17"),
        ("build.gradle", "tasks.register('x') { }", "8.14", None),
        ("build.gradle", "test {\n  useJUnitPlatform()\n}\n  testCompile 'junit:junit:4.13'", "6.9.4", "11"),
        ("build.gradle", "apply plugin: 'maven'\njar { archiveClassifier = 'x' }", "6.9.4", "11"),
        ("build.gradle", "apply plugin: 'osgi'\ntasks.named('jar')", "5.6.4", "11"),
        ("build.gradle.kts", "", "8.14", None),
        ("build.gradle", "apply plugin: 'java'\ncompileJava.options.encoding = 'UTF-8'\ntask x {}", None, None),
    ],
)
def test_the_version_of_gradle_without_a_wrapper(file: str, script: str, release: str | None, jdk: str | None) -> None:
    fields = dict(_guess({file: script}).fields)
    url = f'"https://services.gradle.org/distributions/gradle-{release}-bin.zip"'
    assert fields.get("distribution") == (url if release else None) and fields.get("jdk") == jdk


@pytest.mark.parametrize(
    ("script", "is_newer"),
    [
        ("// see tasks.register in newer Gradle\n", False),
        ("/* api platform('x')\n * tasks.register */\n", False),
        ("/* tasks.register", False),
        ("def platform(x) {}\n", False),
        ("void platform(x) {}\n", False),
        ("def mainClass = 'a.B'\next.mainClass = 'a.B'\n", False),
        ("url = 'https://example.org'; tasks.register('x')\n", True),
        ('x = "/*"\ndependencies { api platform(\'x\') }  // "\n', True),
        ("x = '\\'//'; application { mainClass = 'a.B' }\n", True),
    ],
)
def test_comments_and_definitions_need_no_newer_gradle(script: str, is_newer: bool) -> None:
    assert ("distribution" in dict(_guess({"build.gradle": script}).fields)) == is_newer


@pytest.mark.parametrize("piece", ["/*", "*", '"', "'", '\\"', '"\\', "//", "/"])
def test_long_scripts_are_read_in_time_in_proportion_to_their_length(piece: str) -> None:
    """A step that is worse than linear takes minutes."""
    assert _guess({"settings.gradle": "'" + piece * 200_000, "build.gradle": "/*" + piece * 200_000}).library


def test_the_settings_can_need_a_newer_gradle() -> None:
    found = _guess({"build.gradle": "", "settings.gradle": "enableFeaturePreview 'STABLE_PUBLISHING'\n"})
    assert "distribution" in dict(found.fields) and any("enableFeaturePreview needs" in why for why in found.reasons)


@pytest.mark.parametrize(("version", "java", "what"), [("9.1-bin", 22, "22"), ("8.10-bin", 25, "Gradle 8.10")])
def test_a_version_of_java_that_is_not_to_be_had(version: str, java: int, what: str) -> None:
    found = _guess({"build.gradle": f"kotlin {{ jvmToolchain({java}) }}", **_wrapper(version)})
    assert len(found.todo) == 2 and what in found.todo[0] and "jdk" not in dict(found.fields)


def test_a_project_below_and_a_library() -> None:
    files = {"settings.gradle": "include 'app'\n", "app/build.gradle": "apply plugin: 'application'\n"}
    found = _guess(files)
    assert ("module", '"app"') in found.fields and found.entrypoint == ["@/bin/app"]
    assert _guess({"build.gradle": "apply plugin: 'java'\n"}).library


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("project(':tools:app').name = 'shop'", "shop"),
        ("project(':shop').projectDir = file('tools/app')", "shop"),
        ('project(":in:shop").projectDir = new File(settingsDir, "./tools/app/")', "shop"),
        ('project(":shop").projectDir = file("$rootDir/tools/app")', "shop"),
        ("project(':other').name = 'shop'", "app"),
    ],
)
def test_the_settings_name_a_project(line: str, name: str) -> None:
    files = {
        "settings.gradle": f"include 'tools:app'\n{line}\n",
        "tools/app/build.gradle": "apply plugin: 'application'\n",
    }
    found = _guess(files)
    assert ("module", '"tools/app"') in found.fields and found.entrypoint == [f"@/bin/{name}"]


@pytest.mark.parametrize("piece", [".", "a", "/", "$a", "${"])
def test_long_settings_are_read_in_time_in_proportion_to_their_length(piece: str) -> None:
    """A step that is worse than linear takes minutes."""
    line = f"project(':a').projectDir = file('{'$' if piece == 'a' else ''}{piece * 500_000}"
    assert _guess({"settings.gradle": line, "build.gradle": ""}).library


def test_a_script_has_the_part_of_a_project_below() -> None:
    script = "project(':in:cli') {\n  apply plugin: 'application'\n  x { applicationName = 'zip' }\n}\ntask x { }\n"
    found = _guess({"build.gradle": f"subprojects {{ apply plugin: 'java' }}\nproject(':lib') {{}}\n{script}"})
    assert ("module", '"in/cli"') in found.fields and found.entrypoint == ["@/bin/zip"]


@pytest.mark.parametrize(
    ("script", "task"),
    [
        ("jar { manifest { attributes 'Main-Class' : 'a.B' } }", "jar"),
        ('tasks.jar { manifest { attributes["Main-Class"] = "a.B" } }', "jar"),
        ('tasks.jar { manifest { attributes("Main-Class" to "a.B") } }', "jar"),
        ("jar { manifest { attributes 'Title': 'Main-Class' } }", None),
        ("plugins { id 'com.gradleup.shadow' }\njar { manifest { attributes 'Main-Class': 'a.B' } }", "shadowJar"),
    ],
)
def test_a_jar_that_names_its_main_class_is_a_program(script: str, task: str | None) -> None:
    found = _guess({"cli/build.gradle": script, "settings.gradle": ""})
    assert found.library == (task is None)
    if task:
        assert ("tasks", f'["{task}"]') in found.fields and found.entrypoint == ["@/bin/thing"]


def test_repositories_to_publish_to_are_not_asked() -> None:
    script = """
        repositories { mavenCentral(); google(); maven { url 'https://jitpack.io/' }; maven("https://a.example/m2") }
        publishing { repositories { maven { url = uri("https://publish.example/") } } }
        repositories { maven { url = uri("https://b.example") }; maven { url 'https://plugins.gradle.org/m2/' } }
    """
    listed = dict(_guess({"build.gradle": script}).fields)["repositories"]
    assert [url for url in listed.split('"') if "://" in url] == [
        "https://a.example/m2", "https://b.example", "https://dl.google.com/dl/android/maven2", "https://jitpack.io",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "script", ["project(':a') {" * 20_000, "publishing {" * 20_000, "{" * 5000, "'Main-Class':" * 2000]
)
def test_scripts_without_an_end(script: str) -> None:
    assert _guess({"build.gradle": script}).call == "gradle"
