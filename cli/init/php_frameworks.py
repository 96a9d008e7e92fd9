"""Find what applications of Laravel and Symfony need beside PHP's server: variables, secrets, and where they write."""

from __future__ import annotations

import re

from .guess import Guess
from .project import Project

# The directories that Laravel expects in its storage.
_STORAGE = "app/public framework/cache/data framework/sessions framework/views logs"
_DRIVERS = {"sqlite": "pdo_sqlite", "mysql": "pdo_mysql", "mariadb": "pdo_mysql", "pgsql": "pdo_pgsql"}


def with_framework(made: Guess, project: Project) -> Guess:
    """Return the guess about a served application with what its framework needs in an image."""
    if project.has("artisan") and project.has("bootstrap/app.php"):
        return _laravel(made, project)
    if project.has("bin/console") and project.has("config/bundles.php"):
        return _symfony(made, project)
    return made


def _laravel(made: Guess, project: Project) -> Guess:
    where = f"/var/lib/{made.name}"
    reasons = [*made.reasons, f"artisan: Laravel; its stored files are in {where}; mount a volume there"]
    installs = [f'rm -rf "$out/app/storage" && ln -s {where} "$out/app/storage"']
    # It keeps lists of packages and services there, which it makes at the first request.
    installs += ['rm -rf "$out/app/bootstrap/cache" && ln -s /tmp "$out/app/bootstrap/cache"']
    lines = [f"mkdir -p {' '.join(f'{where}/{name}' for name in _STORAGE.split())}"]
    environment = [("APP_ENV", "production"), ("LOG_CHANNEL", "stderr")]
    if database_extension(project) == "pdo_sqlite":
        environment += [("DB_CONNECTION", "sqlite"), ("DB_DATABASE", f"{where}/database.sqlite")]
        lines += [f"[ -e {where}/database.sqlite ] || : >{where}/database.sqlite"]
        lines += ["exec $out/bin/php $out/app/artisan migrate --force"]
        reasons.append("each start makes the database's tables that are missing, by artisan migrate")
    else:
        reasons.append(f"the database's tables are made by: podman exec CONTAINER {made.name}-artisan migrate --force")
    wrapper = '#!/bin/sh\\nexec %s/bin/php %s/app/artisan "$@"\\n'
    script = "\\n".join(["#!/bin/sh", "set -e", *lines])
    installs.append(f'printf "{script}\\n" >"$out/bin/prepare"')
    installs.append(f'printf \'{wrapper}\' "$out" "$out" >"$out/bin/{made.name}-artisan"')
    installs.append(f'chmod +x "$out/bin/prepare" "$out/bin/{made.name}-artisan"')
    reasons.append(
        "it needs a secret when it starts: podman run -e APP_KEY=..., which artisan key:generate --show prints"
    )
    return made._replace(
        also_installs="; ".join(installs),
        directories=[where],
        image_env=[*made.image_env, *environment],
        image_packages=[*made.image_packages, "coreutils"],
        first=["@/bin/prepare"],
        secrets=["APP_KEY"],
        workdir="@/app",
        reasons=reasons,
    )


def database_extension(project: Project) -> str | None:
    """Return the extension for the database that Laravel takes if no variable says anything else."""
    default = re.search(r"env\(\s*['\"]DB_CONNECTION['\"]\s*,\s*['\"](\w+)['\"]", project.text("config/database.php"))
    return _DRIVERS.get(default[1]) if default and project.has("artisan") else None


def _symfony(made: Guess, project: Project) -> Guess:
    where = f"/var/lib/{made.name}"
    reasons = [
        *made.reasons,
        f"bin/console: Symfony in its environment prod; its caches and files are in {where}; mount a volume there",
    ]
    # A project keeps its .env, and ignores .env.local. What has a secret there, needs no other.
    secrets = (
        [] if re.search(r"^APP_SECRET=[ \t]*[\"']?[^\s\"']", project.text(".env"), re.MULTILINE) else ["APP_SECRET"]
    )
    if secrets:
        reasons.append("it needs a secret when it starts: podman run -e APP_SECRET=...")
    return made._replace(
        also_installs=f'rm -rf "$out/app/var" && ln -s {where} "$out/app/var"',
        directories=[where],
        image_env=[*made.image_env, ("APP_ENV", "prod"), ("APP_DEBUG", "0")],
        secrets=secrets,
        workdir="@/app",
        reasons=reasons,
    )
