"""Find what a Rails application needs beside its server: variables, directories in which it writes, and tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..guess import Guess
from ..project import Project

# Versions before 7.1 log to a file and give no static files without the last two.
_ENVIRONMENT = (
    ("RAILS_ENV", "production"),
    ("RAILS_LOG_TO_STDOUT", "true"),
    ("RAILS_SERVE_STATIC_FILES", "true"),
)
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
    gems = project.text("Gemfile") + project.text("Gemfile.lock")
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
    key = "RAILS_MASTER_KEY" if project.has("config/credentials.yml.enc") else "SECRET_KEY_BASE"
    reasons.append(f"it asks for its secret when it starts: podman run -e {key}=...")
    if re.search(r"^    (propshaft|sprockets-rails) \(", gems, re.MULTILINE):
        reasons.append("the build makes no assets: run rails assets:precompile before, and keep public/assets")
    # Rails reads the time zones of the system.
    return made._replace(
        fields=[*made.fields, ("runtime", "[debian.tzdata]")],
        image_env=environment,
        also_installs="; ".join(installs),
        directories=[where],
        first=first,
        reasons=reasons,
    )


def _own_database(project: Project) -> bool:
    """Return whether all databases are files of SQLite."""
    return set(_ADAPTER.findall(project.text("config/database.yml"))) == {"sqlite3"}


def _production(project: Project) -> str:
    """Return what config/database.yml says of the environment production."""
    found = _SECTION.search(project.text("config/database.yml") + "\n")
    return found[0] if found else ""
