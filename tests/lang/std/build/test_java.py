"""Java projects: the poms that a lock of Maven is of, the version of Java, its levels, and the archive of Gradle."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from support.language.evaluations import Plan, Project, scripts

FILES = {
    "a/pom.xml": "<project><modules><module>inner</module></modules></project>",
    "a/inner/pom.xml": "<project>inner</project>",
    "b/c/pom.xml": "<project>c</project>",
    "d/pom.xml": "<project>d</project>",
    "e/pom-other.xml": "<project>e</project>",
}
OTHERS = ("gone", "../outside", "/etc", "empty", "a")  # no modules, or listed before


def test_the_lock_is_of_the_poms_of_all_modules(project: Project) -> None:
    names = ["a", "b/c", " ./d/ ", "e/pom-other.xml", *OTHERS]
    root = "".join(f"<module>{name}</module>" for name in names)
    of = hashlib.sha256("\n".join([root, *FILES.values()]).encode()).hexdigest()
    project.write({f"p/{name}": text for name, text in {"pom.xml": root, "empty/none": "", **FILES}.items()})
    project.write({"outside/pom.xml": "<project/>", "lock.json": f'{{"format": 1, "of": "{of}", "files": {{}}}}'})
    project.build('maven { name = "app", source = ./p, lock = ./lock.json }')


POM = """<project><properties><level>1.6</level><jvm>1.7</jvm><both>1.6</both>
<maven.compiler.target>1.5</maven.compiler.target></properties>
<source>${level}</source><target>9</target><source> 6 </source><target><echo/></target><version>1.6</version>
<release>11</release><testRelease>7</testRelease><release>${both}</release><testTarget>${both}</testTarget></project>
"""
# The compiler's plugin knows of 1.8 that it has no modules; --release has no such form.
RAISED = """<project><properties><level>1.8</level><jvm>1.7</jvm><both>8</both>
<maven.compiler.target>1.8</maven.compiler.target></properties>
<source>${level}</source><target>9</target><source>8</source><target><echo/></target><version>1.6</version>
<release>11</release><testRelease>8</testRelease><release>${both}</release><testTarget>${both}</testTarget></project>
"""


def test_levels_of_poms_are_raised(project: Project, tmp_path: Path) -> None:
    project.write({"p/pom.xml": "<project/>"})
    of = hashlib.sha256(b"<project/>").hexdigest()
    project.write({"lock.json": f'{{"format": 1, "of": "{of}", "files": {{}}}}'})
    made = project.build('maven { name = "app", source = ./p, lock = ./lock.json, level = 8 }')
    script = scripts(made.own)["configure"].partition("mkdir -p /build/repository")[0]
    source = tmp_path / "source"
    (source / "in").mkdir(parents=True)
    for name in ("pom.xml", "in/pom.xml"):
        (source / name).write_text(POM)
    script = script.replace("/build/", f"{tmp_path}/")
    done = subprocess.run(["bash", "-ec", script], cwd=source, capture_output=True, text=True, check=True)
    assert (source / "pom.xml").read_text() == (source / "in/pom.xml").read_text() == RAISED
    assert "./in/pom.xml: levels of Java below 8 are raised to 8" in done.stdout.splitlines()
    plain = project.build('maven { name = "app", source = ./p, lock = ./lock.json }')
    assert scripts(plain.own)["configure"].startswith("mkdir -p /build/repository")


@pytest.mark.parametrize(("jdk", "release"), [(21, "trixie"), (25, "trixie"), (17, "bookworm"), (11, "bullseye")])
@pytest.mark.parametrize("call", ["maven", "gradle"])
def test_the_release_that_has_a_version_of_java(project: Project, call: str, jdk: int, release: str) -> None:
    made = project.build(_with_lock(project, call, f"jdk = {jdk}"))
    assert f"openjdk-{jdk}-jdk-headless" in made.tools(made.own)
    (fetched,) = [each for each in made.kinds("fetch") if f"openjdk-{jdk}-jdk-headless" in each.name]
    assert f"pool/{release}/" in str(fetched.args)


def test_the_archive_of_gradle_is_recorded(project: Project) -> None:
    url = "https://example.org/gradle-8.10-bin.zip"
    plan = Plan({url: "a" * 64})
    made = project.build(_with_lock(project, "gradle", f'distribution = "{url}"'), file_digests=plan)
    assert plan.requests[0]["files"] == {url: ""} and plan.requests[0]["what"] == "archive of Gradle"
    (archive,) = [each for each in made.kinds("fetch") if each.name == "gradle-8.10-bin.zip"]
    assert archive.args["sha256"] == "a" * 64 and "gradle" not in made.tools(made.own)


def test_levels_of_gradle_are_raised_in_its_tasks(project: Project) -> None:
    made = project.build(_with_lock(project, "gradle", "level = 8"))
    assert "JavaVersion.toVersion('8')" in scripts(made.own)["configure"]
    plain = project.build(_with_lock(project, "gradle", ""))
    assert "toVersion" not in scripts(plain.own)["configure"]


def test_a_project_of_gradle_is_named_by_its_directory(project: Project) -> None:
    """Settings can give the project of a directory another path than that of the directory."""
    made = scripts(project.build(_with_lock(project, "gradle", 'module = "in/tool"')).own)
    assert ' -p "in/tool" installDist' in made["build"] and ":in:tool" not in str(made)
    assert " -p " not in scripts(project.build(_with_lock(project, "gradle", "")).own)["build"]


@pytest.mark.parametrize("module", ["a b", "$(id)", "a`id`", 'a"; id; "', "a\\\\b", "$HOME"])
def test_the_directory_of_a_module_is_one_word_of_the_shell(project: Project, module: str) -> None:
    written = module.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    made = scripts(project.build(_with_lock(project, "gradle", f'module = "{written}"')).own)
    (word,) = re.findall(r'-p (".*") installDist', made["build"])
    words = re.findall(r'made (?:install|archive|library) (".*")[ )]', made["install"])
    assert words == [word] * 3
    assert subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, text=True).stdout == module
    installed = scripts(project.build(_with_lock(project, "maven", f'module = "{written}"')).own)["install"]
    assert f"for each in {word}/target/*.jar" in installed


@pytest.mark.parametrize("call", ["gradle", "maven"])
def test_a_class_within_a_class_is_started(project: Project, call: str) -> None:
    made = scripts(project.build(_with_lock(project, call, 'main = "app.Outer$Main"')).own)
    (line,) = re.findall(r"^\s*main=(\".*\")$", made["install"], re.MULTILINE)
    start = f"""main={line}; printf 'printf %%s %s' "$main" | sh"""  # as the program's own script has it
    assert subprocess.run(["bash", "-c", start], capture_output=True, text=True).stdout == "app.Outer$Main"


def test_a_library_of_gradle_asks_for_nothing_to_run(project: Project) -> None:
    listed = "made(task, 'library', it)"
    assert listed in scripts(project.build(_with_lock(project, "gradle", "")).own)["configure"]
    assert listed not in scripts(project.build(_with_lock(project, "gradle", "library = true")).own)["configure"]


def _with_lock(project: Project, call: str, fields: str) -> str:
    project.write({"g/pom.xml": "", "g/build.gradle": ""})
    of = hashlib.sha256(b"").hexdigest()
    project.write({"lock.json": f'{{"format": 1, "of": "{of}", "files": {{}}}}'})
    return f'{call} {{ name = "app", source = ./g, lock = ./lock.json\n{fields} }}'


def test_the_tests_of_maven_have_ps(project: Project) -> None:
    made = project.build(_with_lock(project, "maven", ""))
    assert "procps" in made.tools(made.own)
