"""A site of PHP with packages and extensions is locked by a registry, built, packed and run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.examples import World
from support.needs import needs_podman
from support.processes.podman import Podman
from support.processes.serving import fetch, running, stops
from support.servers import composer_server
from support.servers.composer_server import Library
from support.servers.httpserver import Server

pytestmark = [pytest.mark.network, *needs_podman]

LIBRARIES = [
    Library("symfony/deprecation-contracts", "3.5.0", "php-symfony-deprecation-contracts",
            "Symfony/Contracts/Deprecation", "Symfony\\Contracts\\Deprecation\\", {"php": ">=8.1"}, ["function.php"]),
    Library("symfony/http-foundation", "6.4.0", "php-symfony-http-foundation",
            "Symfony/Component/HttpFoundation", "Symfony\\Component\\HttpFoundation\\",
            {"symfony/deprecation-contracts": "^3", "ext-mbstring": "*"}),
    Library("symfony/routing", "6.4.0", "php-symfony-routing", "Symfony/Component/Routing",
            "Symfony\\Component\\Routing\\", {"symfony/deprecation-contracts": "^3"}),
]  # fmt: skip
SITE = {
    "composer.json": {
        "name": "me/notes",
        "require": {
            "symfony/http-foundation": "^6.4",
            "symfony/routing": "^6.4",
            "ext-intl": "*",
            "ext-pdo_sqlite": "*",
        },
        "autoload": {"psr-4": {"Notes\\": "src/"}},
        "config": {"secure-http": False},
    },
    "bin/console": "",
    "config/bundles.php": "<?php return [];\n",
    "public/style.css": "p { color: green }\n",
    "src/Notes.php": "<?php\nnamespace Notes;\nclass Notes {\n"
    "  static function add(string $file): int {\n"
    "    $db = new \\PDO('sqlite:' . $file);\n"
    "    $db->exec('create table if not exists notes (id integer primary key)');\n"
    "    $db->exec('insert into notes default values');\n"
    "    return $db->query('select count(*) from notes')->fetchColumn();\n  }\n}\n",
    "public/index.php": "<?php\nrequire dirname(__DIR__) . '/vendor/autoload.php';\n"
    "use Symfony\\Component\\HttpFoundation\\{Request, Response};\n"
    "use Symfony\\Component\\Routing\\{Route, RouteCollection, RequestContext, Matcher\\UrlMatcher};\n"
    "$request = Request::createFromGlobals();\n"
    "$routes = new RouteCollection();\n"
    "$routes->add('count', new Route('/count/{of}'));\n"
    "$matcher = new UrlMatcher($routes, (new RequestContext())->fromRequest($request));\n"
    "$found = $matcher->match($request->getPathInfo());\n"
    "$words = new NumberFormatter('de', NumberFormatter::SPELLOUT);\n"
    "$count = Notes\\Notes::add(dirname(__DIR__) . '/var/notes.db');\n"
    "(new Response(\"$found[of]: \" . $words->format($count) . ' ' . getenv('APP_ENV')))->send();\n",
}


def test_a_site_with_the_packages_of_a_registry(world: World, podman: Podman, tmp_path: Path) -> None:
    def build(directory: Path) -> str:
        done = world.fpack("build", "archives", "--no-link", "--json", cwd=directory, timeout=900)
        path: str = json.loads(done.stdout)["path"]
        return path

    archives = Path(
        world.fpack.env["FPACK_ROOT"], "store", Path(composer_server.make(build, tmp_path / "made", LIBRARIES)).name
    )
    place = tmp_path / "notes"
    (tmp_path / "registry").mkdir()
    with Server(tmp_path / "registry") as registry:
        composer_server.publish(archives, registry.folder, registry.url, LIBRARIES)
        for name, content in SITE.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(
                content
                if isinstance(content, str)
                else json.dumps(
                    {**content, "repositories": [{"type": "composer", "url": registry.url}, {"packagist.org": False}]}
                )
            )
        words = ["composer", "update", "--no-install", "--ignore-platform-req=ext-*"]
        world.fpack("run", "debian.trixie.composer", "--", *words, cwd=place, timeout=600)
        told = json.loads(world.fpack("init", "--json", cwd=place).stdout)
        assert told["todo"] == [] and any("PHP's own server" in reason for reason in told["guessed"])
        packed = world.fpack.pack(cwd=place, timeout=900)
    image = podman.load(place / packed["file"])
    assert "podman run -e APP_SECRET=" in podman.run(image, check=False).stderr
    with running(podman, image, options=["-e", "APP_SECRET=x"]) as container:
        assert fetch(container, "http://127.0.0.1:8000/count/notes").body == "notes: eins prod"
        assert fetch(container, "http://127.0.0.1:8000/count/notes").body == "notes: zwei prod"
        style = fetch(container, "http://127.0.0.1:8000/style.css")
        assert style.body == SITE["public/style.css"] and style.headers["Content-Type"].startswith("text/css")
        stops(container)
