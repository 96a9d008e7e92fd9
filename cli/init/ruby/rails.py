"""Find what a Rails application needs beside its server: variables, directories in which it writes, and tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..guess import Guess
from ..project import Project

# Versions before 7.1 log to a file and give no static files without the last two.
_ENVIRONMENT = (("RAILS_ENV", "production"), ("RAILS_LOG_TO_STDOUT", "true"), ("RAILS_SERVE_STATIC_FILES", "true"))
_PIPELINES = ("propshaft", "sprockets-rails", "sprockets")
# Gems whose assets are made by programs of Node, from the packages of a package.json.
_BUNDLERS = ("jsbundling-rails", "cssbundling-rails", "webpacker", "shakapacker", "vite_ruby", "vite_rails")
_SECRETS = ("/config/master.key", "/config/credentials/*.key")
# rails looks for its Rakefile in the working directory.
_IN_DIRECTORY = 'sed -i "2i cd $out/app" "$out/bin/rails"'
# A database beside the code that makes its tables; those of newer versions are in `storage`.
_IN_DB = re.compile(r"^[ \t]+database:\s*db/([\w.-]+\.sqlite3?)\s*$", re.MULTILINE)
_ADAPTER = re.compile(r"^[ \t]+adapter:\s*[\"']?(\w+)", re.MULTILINE)
_SECTION = re.compile(r"^production:.*\n(?:[ \t]+.*\n|[ \t]*#.*\n|[ \t]*\n)*", re.MULTILINE)


def is_rails(project: Project) -> bool:
    """Return whether a project of Ruby is a Rails application."""
    return project.has("config/application.rb") is not None and project.has("bin/rails") is not None


def secrets(project: Project) -> Sequence[str]:
    """Return the lines of a .gitignore for the keys of a Rails application, which are no part of a source."""
    return _SECRETS if is_rails(project) else ()


def with_rails(made: Guess, project: Project) -> Guess:
    """Return the guess about a Rails application with what it needs to run in an image."""
    where = f"/var/lib/{made.name}"
    gems = project.text("Gemfile") + "\n" + project.text("Gemfile.lock")
    environment = list(_ENVIRONMENT)
    if re.search(r"\bbootsnap\b", gems):
        # It fails if it cannot write to the application's directory.
        environment.append(("BOOTSNAP_READONLY", "true"))
    reasons = [*made.reasons, "the image runs Rails in its environment production"]
    production = _production(project)
    installs = ['rm -rf "$out/app/log" "$out/app/tmp" "$out/app/storage"', 'ln -s /tmp "$out/app/log"']
    installs += ['ln -s /tmp "$out/app/tmp"', f'ln -s {where} "$out/app/storage"', _IN_DIRECTORY]
    first: list[str] = []
    if _own_database(project):
        installs += [f'ln -sf {where}/{name} "$out/app/db/{name}"' for name in _IN_DB.findall(production)]
        if not re.search(r"^[ \t]+(?:database|url):", production, re.MULTILINE):
            environment.append(("DATABASE_URL", f"sqlite3:{where}/production.sqlite3"))
        first = ["@/bin/rails", "db:prepare"]
        reasons.append(f"its SQLite database and stored files are in {where}; mount a volume there")
        reasons.append("each start makes the database's tables that are missing, by rails db:prepare")
    else:
        reasons.append(f"its stored files are in {where}; mount a volume there")
        reasons.append(
            "the database's tables are made by: podman run --rm --entrypoint rails IMAGE db:prepare, with the "
            "variables that config/database.yml reads"
        )
    keys = ["SECRET_KEY_BASE", "SECRET_KEY_BASE_DUMMY"]
    if project.has("config/credentials.yml.enc"):
        keys.insert(0, "RAILS_MASTER_KEY")
    reasons.append(f"it needs a secret when it starts: podman run -e {keys[0]}=...")
    assets = _assets(project, gems, reasons)
    # Rails reads the time zones of the system. Gems that run JavaScript look for a program when they are loaded.
    runtime = "[debian.tzdata]"
    if _names(gems, "execjs"):
        reasons.append("execjs runs JavaScript by nodejs")
        assets.append(("tools", "[debian.nodejs]"))
        runtime = "[debian.nodejs, debian.tzdata]"
    return made._replace(
        fields=[*made.fields, *assets, ("runtime", runtime)],
        image_env=environment,
        also_installs="; ".join(installs),
        directories=[where],
        first=first,
        secrets=keys,
        reasons=reasons,
    )


def _assets(project: Project, gems: str, reasons: list[str]) -> list[tuple[str, str]]:
    """Return the field that lets the build make the assets. gems: the texts of the Gemfile and its lock."""
    if not _names(gems, *_PIPELINES) or any(file.startswith("public/assets/") for file in project.files):
        return []
    if _names(gems, *_BUNDLERS):
        reasons.append(
            "its assets need packages of npm, which the build does not install: run rails assets:precompile first, "
            "and keep public/assets"
        )
        return []
    reasons.append("the build makes the assets, by rails assets:precompile")
    return [("assets", "true")]


def _names(gems: str, *names: str) -> bool:
    """Return whether a Gemfile or its lock names one of these gems."""
    listed = "|".join(map(re.escape, names))
    return re.search(rf"^(?:    (?:{listed}) \(|[ \t]*gem[ (]+[\"'](?:{listed})[\"'])", gems, re.MULTILINE) is not None


def _own_database(project: Project) -> bool:
    """Return whether all databases are files of SQLite."""
    return set(_ADAPTER.findall(project.text("config/database.yml"))) == {"sqlite3"}


def _production(project: Project) -> str:
    """Return what config/database.yml says of the environment production."""
    found = _SECTION.search(project.text("config/database.yml") + "\n")
    return found[0] if found else ""
