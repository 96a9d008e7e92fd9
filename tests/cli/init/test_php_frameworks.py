"""Applications of Laravel and Symfony get their secret, and directories in which they may write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fpack.cli.init.guess import Guess
from fpack.cli.init.php import php
from fpack.cli.init.project import Project
from fpack.cli.init.template import render

LARAVEL = {"composer.json": "{}", "artisan": "", "bootstrap/app.php": "", "public/index.php": ""}
SYMFONY = {"composer.json": "{}", "bin/console": "", "config/bundles.php": "", "public/index.php": ""}
DATABASE = "<?php return ['default' => env('DB_CONNECTION', '{}')];"


def _guess(files: dict[str, str]) -> Guess:
    found = php(Project("shop", files))
    assert found is not None
    return found


@pytest.mark.parametrize(("database", "migrates"), [("sqlite", True), ("mysql", False)])
def test_laravel(database: str, migrates: bool, tmp_path: Path) -> None:
    made = _guess({**LARAVEL, "config/database.php": DATABASE.format(database)})
    assert ("extensions", f'["{"sqlite3" if migrates else "mysql"}"]') in made.fields
    assert list(made.directories) == ["/var/lib/shop"] and list(made.secrets) == ["APP_KEY"]
    assert ("APP_ENV", "production") in made.image_env and ("PHP_CLI_SERVER_WORKERS", "4") in made.image_env
    for name in ("bin", "app/storage/logs", "app/bootstrap/cache"):
        (tmp_path / name).mkdir(parents=True)
    subprocess.run(["sh", "-ec", made.also_installs], env={"out": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True)
    assert (tmp_path / "app/storage").readlink() == Path("/var/lib/shop")
    prepare = (tmp_path / "bin/prepare").read_text()
    assert prepare.startswith(
        "#!/bin/sh\nset -e\nmkdir -p /var/lib/shop/app/public /var/lib/shop/framework/cache/data "
    )
    assert (f"exec {tmp_path}/bin/php {tmp_path}/app/artisan migrate --force\n" in prepare) == migrates
    assert f'exec {tmp_path}/bin/php {tmp_path}/app/artisan "$@"\n' in (tmp_path / "bin/shop-artisan").read_text()
    text = render(made, "trixie")
    assert "/bin/prepare && exec ${shop}/bin/php -S" in text and "podman run -e APP_KEY=..." in text


def test_symfony() -> None:
    made = _guess(SYMFONY)
    assert made.also_installs == 'rm -rf "$out/app/var" && ln -s /var/lib/shop "$out/app/var"'
    assert list(made.secrets) == ["APP_SECRET"] and ("APP_ENV", "prod") in made.image_env


@pytest.mark.parametrize(("line", "asks"), [("APP_SECRET=abc", False), ("APP_SECRET=", True), ("#APP_SECRET=a", True)])
def test_a_secret_of_the_project_is_not_asked_for(line: str, asks: bool) -> None:
    assert bool(_guess({**SYMFONY, ".env": f"A=1\n{line}\n"}).secrets) == asks


def test_other_sites_get_nothing_else() -> None:
    made = _guess({"public/index.php": ""})
    assert not made.secrets and not made.directories and made.also_installs == ""
