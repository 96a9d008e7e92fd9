"""Test that `fpack init` finds where Python programs write, by which server they run, and what a shell needs."""

from __future__ import annotations

import pytest
from fpack.cli.init.guess import Guess
from fpack.cli.init.project import Project
from fpack.cli.init.python import python
from fpack.cli.init.template import render

FLASK = "app = Flask(__name__)\n"
OWN = 'directories = { "/var/lib/thing" = { user = "nobody", group = "nogroup" } }'


def _guess(files: dict[str, str]) -> Guess:
    found = python(Project("thing", files))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("files", "instance"),
    [
        ({"app.py": FLASK}, "app"),
        ({"app.py": "app = Flask('shop')\n"}, "shop"),
        ({"web/app.py": "app = Flask(__name__)\n"}, "web.app"),
        ({"web/app.py": "app = Flask(__name__.split('.')[0])\n"}, "web"),
    ],
)
def test_flask_sqlalchemy_has_its_instance_folder(files: dict[str, str], instance: str) -> None:
    written = render(_guess({"requirements.txt": "flask\nFlask-SQLAlchemy\n", **files}), "trixie")
    assert f'ln -s /var/lib/thing \\"$out/var/{instance}-instance\\"' in written and OWN in written


@pytest.mark.parametrize(
    "text",
    [
        'create_engine("sqlite:///./test.db")',
        'sqlite3.connect("a.db")',
        "# of sqlite\nNAME = 'a.sqlite3'\nconnect(NAME)",
    ],
)
def test_a_database_in_the_working_directory(text: str) -> None:
    found = _guess({"requirements.txt": "flask\n", "app.py": FLASK + text})
    assert found.workdir == "/var/lib/thing" and "workdir" in render(found, "trixie") and OWN in render(found, "trixie")
    # The server does not leave the working directory.
    assert found.entrypoint is not None and found.entrypoint[1:3] == ["--pythonpath", "@/app"]
    assert any("mount a volume" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    "text",
    ['create_engine("sqlite:////srv/test.db")', 'sqlite3.connect(":memory:")', 'create_engine("postgresql://db/a")'],
)
def test_other_databases_change_nothing(text: str) -> None:
    found = _guess({"requirements.txt": "flask\n", "app.py": FLASK + text})
    assert not found.workdir and not found.directories and not found.also_installs


def test_a_database_of_django_is_outside_of_the_output() -> None:
    settings = '"ENGINE": "django.db.backends.sqlite3",\n"NAME": BASE_DIR / "db.sqlite3",\n'
    found = _guess(
        {
            "requirements.txt": "django\n",
            "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")',
            "site/settings.py": settings,
            "site/wsgi.py": "",
        }
    )
    written = render(found, "trixie")
    assert 'ln -s /var/lib/thing/db.sqlite3 \\"$out/app/db.sqlite3\\"' in written and OWN in written


def _django(settings: str, requirements: str = "django\n", manage: str = "#!/usr/bin/env python\n") -> Guess:
    return _guess({
        "requirements.txt": requirements,
        "manage.py": manage + 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")',
        "site/settings.py": settings,
        "site/wsgi.py": "",
    })  # fmt: skip


SQLITE = '"ENGINE": "django.db.backends.sqlite3",\n"NAME": BASE_DIR / "db.sqlite3",\n'


def test_each_start_makes_the_tables_of_a_database_of_the_image() -> None:
    found = _django(SQLITE)
    written = render(found, "trixie")
    assert "packages = [thing, debian.dash]" in written
    assert (
        'entrypoint = ["/bin/sh", "-c", "${thing}/bin/manage migrate --noinput && exec ${thing}/bin/gunicorn --chdir '
        '${thing}/app --bind 0.0.0.0:8000 site.wsgi:application"]' in written
    )
    # The link to the database is there before a command that may open it.
    assert found.also_installs.index("db.sqlite3") < found.also_installs.index("manage.py")


def test_tables_of_another_database_are_left_to_a_command() -> None:
    found = _django('"ENGINE": "django.db.backends.postgresql"')
    assert not found.first and '"${thing}/bin/gunicorn"' in render(found, "trixie")
    assert 'PATH = "${thing}/bin:/usr/bin:/bin"' in render(found, "trixie")
    assert any("--entrypoint manage IMAGE migrate" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("root", "collects"),
    [
        ('STATIC_ROOT = BASE_DIR / "static"', True),
        ('STATIC_ROOT = os.path.join(BASE_DIR, "static")', True),
        ('STATIC_ROOT = "/srv/static"', False),
        ("", False),
    ],
)
def test_static_files_are_collected_if_the_application_serves_them(root: str, collects: bool) -> None:
    assert ("collectstatic" in _django(SQLITE + root, "django\nwhitenoise\n").also_installs) == collects
    plain = _django(SQLITE + root)
    assert "collectstatic" not in plain.also_installs and any("static files" in reason for reason in plain.reasons)


def test_a_manage_py_that_is_no_program_is_left_as_it_is() -> None:
    found = _django(SQLITE, manage="")
    assert not found.first and "manage.py" not in found.also_installs


@pytest.mark.parametrize("server", ["waitress", "hypercorn"])
def test_servers_without_an_option_find_the_modules(server: str) -> None:
    kind = "Quart" if server == "hypercorn" else "Flask"
    found = _guess({"requirements.txt": f"{kind}\n{server}\n", "app.py": f"app = {kind}(__name__)\n"})
    assert 'env = { PYTHONPATH = "${thing}/app", ' in render(found, "trixie")


def test_the_shell_has_what_the_project_uses() -> None:
    written = render(_guess({"requirements.txt": "flask\n", "app.py": FLASK}), "trixie")
    assert "packages = [thing.with { source = null }, ...thing.tools" in written
    assert "source = null" not in render(_guess({"setup.py": "", "app.py": "pass\n"}), "trixie")


def test_a_page_of_streamlit_is_run_by_it() -> None:
    files = {
        "requirements.txt": "streamlit\n",
        "app.py": "import streamlit as st\nst.title('x')\n",
        "lib.py": "x = 1\n",
    }
    found = _guess(files)
    assert found.entrypoint is not None and found.entrypoint[:3] == ["@/bin/streamlit", "run", "@/app/app.py"]
    assert "--server.port=8501" in found.entrypoint and list(found.ports) == [8501]
    assert _guess({**files, "requirements.txt": "other\n"}).entrypoint == ["@/bin/python3", "@/app/app.py"]


def test_tasks_of_celery_are_run_by_it() -> None:
    files = {"requirements.txt": "celery[redis]\n", "tasks.py": "from celery import Celery\napp = Celery('tasks')\n"}
    found = _guess(files)
    assert found.entrypoint == ["@/bin/celery", "-A", "tasks", "worker"] and not found.ports
    assert list(found.image_env) == [("PYTHONPATH", "@/app")]
    web = {**files, "requirements.txt": "celery\nflask\n", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}
    assert "app:app" in (_guess(web).entrypoint or [])
