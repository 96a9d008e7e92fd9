"""Java, PHP and Ruby projects whose files come from registries, by the locks that `fpack lock` completes."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.examples import EXAMPLES, World, write_files
from support.servers.httpserver import Server

pytestmark = pytest.mark.network

MIRROR = "<settings><mirrors><mirror><mirrorOf>central</mirrorOf><url>{}</url></mirror></mirrors></settings>"
PLUGINS = {"jar": "3.3.0", "surefire": "2.22.3", "compiler": "3.13.0", "resources": "3.3.1"}
# Debian's packages with what a Maven project needs, laid out as a repository.
REPOSITORY = """
debian = import("fpack/debian").trixie
repository = package {
  name = "repository"
  tools = [debian.${p} for p in names]
  install = "cp -rL /usr/share/maven-repo $out"
  strip = false
  fixup = null
}
"""
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>greeter</artifactId><version>1.2</version>
<properties><maven.compiler.release>17</maven.compiler.release><forkCount>0</forkCount>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies><dependency><groupId>org.apache.commons</groupId><artifactId>commons-lang3</artifactId>
<version>3.17.0</version></dependency></dependencies>
<build><plugins>%s</plugins></build></project>
"""
MAIN = """package org.example;

public class Main {
    public static void main(String[] args) {
        System.out.println("Hello, " + org.apache.commons.lang3.StringUtils.capitalize(args[0]) + "!");
    }
}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "registry").mkdir()
    with Server(tmp_path / "registry") as server:
        yield server


def _init(world: World, place: Path) -> list[str]:
    todo: list[str] = json.loads(world.fpack("init", "--json", cwd=place).stdout)["todo"]
    return todo


def test_a_maven_project(world: World, tmp_path: Path) -> None:
    names = ["compiler-plugin", "resources-plugin", "jar-plugin", "dependency-plugin"]
    packages = [*(f"libmaven-{name}-java" for name in names), "libsurefire-java", "libcommons-lang3-java"]
    listed = ", ".join(f"debian.{name}" for name in packages)
    repository = REPOSITORY.replace("[debian.${p} for p in names]", f"[{listed}]")
    there = write_files(tmp_path / "there", {"fpack.fp": repository})
    done = world.fpack("build", "repository", "--no-link", "--json", cwd=there, timeout=900)
    path = json.loads(done.stdout)["path"]
    plugin = "<plugin><artifactId>maven-{}-plugin</artifactId><version>{}</version></plugin>"
    pom = POM % "".join(plugin.format(*item) for item in PLUGINS.items())
    place = write_files(tmp_path / "greeter", {"pom.xml": pom, "src/main/java/org/example/Main.java": MAIN})
    assert _init(world, place) == ["lock the libraries and plugins: fpack lock"]
    assert "There is no maven.lock yet" in world.fpack.fails("build", "greeter", cwd=place)
    with Server(Path(world.fpack.env["FPACK_ROOT"], "store", Path(path).name)) as server:
        home = write_files(tmp_path / "home", {".m2/settings.xml": MIRROR.format(server.url)})
        env = {"HOME": str(home)}
        world.fpack("lock", cwd=place, env=env, timeout=900)
        lock = (place / "maven.lock").read_text()
        assert "org/apache/commons/commons-lang3/3.17.0/commons-lang3-3.17.0.jar" in json.loads(lock)["files"]
        asked = len(server.requests)
        world.fpack("lock", cwd=place, env=env)
        assert len(server.requests) == asked and (place / "maven.lock").read_text() == lock
        # All files are fetched by the lock, also by another machine.
        answer = world.fpack("run", "greeter", "--", "greeter", "ann", cwd=place, env=env, timeout=900).stdout
        assert answer == "Hello, Ann!\n"
        packed = world.fpack.pack(cwd=place, timeout=600)
        assert packed["digest"]
        data = json.loads(lock)
        first = sorted(name for name in data["files"] if name.endswith(".jar"))[0]
        data["files"][first]["sha256"] = "0" * 64
        (place / "maven.lock").write_text(json.dumps(data))
        assert "0" * 64 in world.fpack.fails("build", "greeter", cwd=place, env=env)
        data["files"]["../../etc/x"] = data["files"].pop(first)
        (place / "maven.lock").write_text(json.dumps(data))
        assert "The lock has an invalid path" in world.fpack.fails("build", "greeter", cwd=place)
    (place / "maven.lock").write_text(lock)
    (place / "pom.xml").write_text(pom.replace("1.2", "1.3"))
    assert "The lock was made for another pom.xml" in world.fpack.fails("build", "greeter", cwd=place)


PHP = {
    "composer.json": '{"name": "me/hello", "version": "1.0.0", "require": {"acme/words": "^1.0"}, "bin": ["bin/hello"],'
    '"autoload": {"psr-4": {"Hello\\\\": "src/"}}}',
    "bin/hello": "#!/usr/bin/env php\n<?php\nrequire __DIR__ . '/../vendor/autoload.php';\n"
    'echo Hello\\Greeting::of($argv[1]), "\\n";\n',
    "src/Greeting.php": "<?php\nnamespace Hello;\nclass Greeting { static function of(string $n): string "
    '{ return \\Acme\\Words::day() . ", " . mb_strtoupper($n); } }\n',
}
WORDS = {
    "words-abc/composer.json": '{"name": "acme/words"}',
    "words-abc/src/Words.php": '<?php\nnamespace Acme;\nclass Words { static function day() { return "Good day"; } }\n',
}


def _composer_lock(url: str, sha1: str, name: str = "acme/words") -> str:
    package = {
        "name": name, "version": "1.0.0", "dist": {"type": "zip", "url": url, "reference": "abc", "shasum": sha1},
        "type": "library", "autoload": {"psr-4": {"Acme\\": "src/"}},
    }  # fmt: skip
    return json.dumps({"content-hash": "x", "packages": [package], "packages-dev": [], "plugin-api-version": "2.6.0"})


def test_a_php_project(world: World, registry: Server, tmp_path: Path) -> None:
    archive = registry.folder / "words.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name, text in WORDS.items():
            packed.writestr(name, text)
    url, sha1 = f"{registry.url}/words.zip", hashlib.sha1(archive.read_bytes()).hexdigest()
    place = write_files(tmp_path / "hello", {**PHP, "composer.lock": _composer_lock(url, sha1)})
    assert _init(world, place) == []
    answer = world.fpack("run", "hello", "--", "hello", "ann", cwd=place, timeout=900).stdout
    assert answer == "Good day, ANN\n"
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    lock = (place / "fpack.lock").read_text()
    assert f'{url}"}}\n  {{"sha256":"{sha256}"}}\n' in lock
    # What the registry has now is not what was recorded; a weak digest must match as well.
    (place / "composer.lock").write_text(_composer_lock(url, "0" * 40))
    assert "A file differs from the lock" in world.fpack.fails("build", "hello", cwd=place)
    for name in ("../up", "a/b/c", "A/b", "x"):
        (place / "composer.lock").write_text(_composer_lock(url, sha1, name))
        assert "a package of an invalid name" in world.fpack.fails("build", "hello", cwd=place)


def test_composer_locks_what_a_registry_has(world: World, registry: Server, tmp_path: Path) -> None:
    with zipfile.ZipFile(registry.folder / "words.zip", "w") as packed:
        for name, text in WORDS.items():
            packed.writestr(name, text)
    sha1 = hashlib.sha1((registry.folder / "words.zip").read_bytes()).hexdigest()
    (package,) = json.loads(_composer_lock(f"{registry.url}/words.zip", sha1))["packages"]
    (registry.folder / "packages.json").write_text(json.dumps({"packages": {"acme/words": {"1.0.0": package}}}))
    place = write_files(tmp_path / "hello", PHP)
    served = [{"type": "composer", "url": registry.url}, {"packagist.org": False}]
    manifest = {**json.loads(PHP["composer.json"]), "repositories": served, "config": {"secure-http": False}}
    (place / "composer.json").write_text(json.dumps(manifest))
    assert _init(world, place) == ["lock the packages: composer update --no-install"]
    # Composer stops without the extensions that its package depends on.
    world.fpack("run", "debian.trixie.composer", "--", "composer", "update", "--no-install", cwd=place, timeout=600)
    answer = world.fpack("run", "hello", "--", "hello", "ann", cwd=place, timeout=900).stdout
    assert answer == "Good day, ANN\n"
    assert world.fpack.pack(cwd=place, timeout=600)["digest"]


def test_a_ruby_project(world: World, registry: Server, tmp_path: Path) -> None:
    place = tmp_path / "nearest"
    shutil.copytree(EXAMPLES / "ruby/src", place, ignore=shutil.ignore_patterns("vendor"))
    gem = EXAMPLES / "ruby/src/vendor/cache/distance-1.0.2.gem"
    write_files(registry.folder, {"gems/x": ""})
    shutil.copy(gem, registry.folder / "gems")
    env = {"BUNDLE_MIRROR__HTTPS://GEMS__EXAMPLE__ORG/": registry.url}
    assert _init(world, place) == []
    world.fpack("lock", cwd=place, env=env)
    assert hashlib.sha256(gem.read_bytes()).hexdigest() in (place / "fpack.lock").read_text()
    answer = world.fpack("run", "nearest", "--", "nearest", "pelikan", cwd=place, env=env, timeout=900).stdout
    assert answer == "pelican\n"
    # A lock with checksums needs no other record.
    (place / "fpack.lock").unlink()
    sha256 = hashlib.sha256(gem.read_bytes()).hexdigest()
    lock = (place / "Gemfile.lock").read_text()
    (place / "Gemfile.lock").write_text(f"{lock}\nCHECKSUMS\n  distance (1.0.2) sha256={sha256}\n")
    world.fpack("build", "nearest", "--no-link", cwd=place, env=env, timeout=600)
    (place / "Gemfile.lock").write_text(f"{lock}\nCHECKSUMS\n  distance (1.0.2) sha256={'0' * 64}\n")
    assert "0" * 64 in world.fpack.fails("build", "nearest", cwd=place, env=env)
    (place / "Gemfile.lock").write_text(lock.replace("1.0.2", "1.0.2/../../x"))
    assert "a gem of an invalid name" in world.fpack.fails("build", "nearest", cwd=place)
    (place / "Gemfile.lock").write_text(lock.replace("GEM", "GIT"))
    assert "comes from git" in world.fpack.fails("build", "nearest", cwd=place)
