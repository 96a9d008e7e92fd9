"""Find the program of a Python project: its web application, its commands, or the module that is run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from fpack.builders.python.project import PythonProject

from .project import Project
from .python_databases import database_beside, database_here
from .python_django import management

PORT = 8000


class PythonProgram(NamedTuple):
    """The program of an image. entrypoint: as of a guess; None: there is no program. needs: packages that it needs.

    env: variables of the build. state: the directory or the file below the output in which the program writes.
    image_env: variables of the image. writes_here: the program writes in its working directory. first: the command that
    the image runs at each start, before the program. also_installs: commands after those of the phase `install`.
    """

    entrypoint: Sequence[str] | None = None
    ports: Sequence[int] = ()
    needs: Sequence[str] = ()
    reasons: Sequence[str] = ()
    env: Sequence[tuple[str, str]] = ()
    state: str = ""
    image_env: Sequence[tuple[str, str]] = ()
    writes_here: bool = False
    first: Sequence[str] = ()
    also_installs: str = ""


_APPLICATION = re.compile(
    r"^(\w+)\s*(?::\s*[\w.]+\s*)?=\s*(?:\w+\.)?(Flask|FastAPI|Starlette|Quart|Litestar|Sanic|Blacksheep|Application|Bottle|Falcon)\(",
    re.MULTILINE,
)
_FACTORY = re.compile(r"^(async\s+)?def\s+((?:create|make)_(?:app|application))\(", re.MULTILINE)
_ASGI = {"FastAPI", "Starlette", "Quart", "Litestar"}
STREAMLIT_PORT = 8501
_STREAMLIT = re.compile(r"^(?:import streamlit|from streamlit)\b", re.MULTILINE)
_CELERY = re.compile(r"^\w+\s*=\s*(?:celery\.)?Celery\(", re.MULTILINE)
_MODULES = ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "application.py", "run.py", "api.py")


def find_program(project: Project, known: PythonProject, used: set[str], installs: bool) -> PythonProgram:
    """Return the program. used: packages that the project asks for. installs: the project is installed."""
    django = _django(project, used)
    if django is not None:
        return _managed(project, with_database(project, django, installs), used)
    if known.scripts and installs:
        return _command(known)
    script = _script(project, known) if installs else None
    if script is not None:
        return PythonProgram([f"@/bin/{script}"], reasons=[f"setup.py installs the script {script}"])
    if known.name and installs and "install_scripts" in project.text("setup.py"):
        return PythonProgram([f"@/bin/{known.name.lower()}"], reasons=["setup.py puts a program among the scripts"])
    web = _web(project, used, installs)
    if web is not None:
        return with_database(project, web, installs)
    run = _run_by_other(project, used, installs)
    if run is not None:
        return run
    module = _main_module(project, installs)
    if module is not None:
        return PythonProgram(["@/bin/python3", "-m", module])
    if not installs:
        for file in (*_MODULES, "__main__.py", *_single(project)):
            if project.has(file):
                return with_database(project, PythonProgram(["@/bin/python3", f"@/app/{file}"]), installs)
    return PythonProgram()


def released_scripts(project: Project) -> dict[str, str]:
    """Return the commands of an unpacked release, whose setup.py may compute them: those that setuptools listed."""
    listed = [file for file in sorted(project.files) if file.endswith(".egg-info/entry_points.txt")]
    if not listed or not project.has("PKG-INFO"):
        return {}
    section = re.search(
        r"^\[console_scripts\]\n((?:[^\[\n][^\n]*\n|\n)*)", project.text(listed[0]) + "\n", re.MULTILINE
    )
    return dict(re.findall(r"^([\w.+-]+)[ \t]*=[ \t]*([\w.:]+)", section[1], re.MULTILINE)) if section else {}


def with_database(project: Project, program: PythonProgram, installs: bool) -> PythonProgram:
    """Return a program that may write its SQLite database, if it names one by a relative path."""
    if program.state or not program.entrypoint:
        return program
    if not installs and (name := database_beside(project)):
        return program._replace(state=f"app/{name}")
    if database_here(project):
        # gunicorn changes its directory by an option.
        words = ["--pythonpath" if word == "--chdir" else word for word in program.entrypoint]
        return program._replace(entrypoint=words, writes_here=True)
    return program


def _command(known: PythonProject) -> PythonProgram:
    """Return the command that is called like the project, or the first."""
    names = sorted(known.scripts)
    own = re.sub(r"[-_.]+", "-", known.name or "").lower()

    def order(name: str) -> tuple[bool, bool, bool, str]:
        plain = re.sub(r"[-_.]+", "-", name).lower()
        return plain != own, not plain.startswith(own), not own.startswith(plain), name

    best = min(names, key=order)
    more = [name for name in names if name != best]
    return PythonProgram([f"@/bin/{best}"], reasons=[f"it also has {', '.join(more[:5])}"] if more else [])


def _script(project: Project, known: PythonProject) -> str | None:
    """Return the script in the list `scripts` of setup.py that is called like the project, or the first."""
    listed = re.search(r"\bscripts\s*=\s*\[([^\]]*)\]", project.text("setup.py"))
    paths = re.findall(r"[\"']([\w./+-]+)[\"']", listed[1]) if listed else []
    names = [path.rpartition("/")[2] for path in paths if project.has(path)]
    return next((name for name in names if name == known.name), names[0] if names else None)


# ---- web applications


def _django(project: Project, used: set[str]) -> PythonProgram | None:
    if not project.has("manage.py") or "django" not in (project.text("manage.py").lower() + " ".join(used)):
        return None
    modules = [file for file in project.files if re.fullmatch(r"(?:[A-Za-z_]\w*/){0,2}(?:wsgi|asgi)\.py", file)]
    wsgi = sorted(file for file in modules if file.endswith("wsgi.py"))
    asgi = sorted(file for file in modules if file.endswith("asgi.py"))
    settings = re.search(r"""DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)["']""", project.text("manage.py"))
    reasons = ["manage.py: a Django project" + (f" with {settings[1]}" if settings else "")]
    if wsgi and not (used & {"channels", "daphne", "uvicorn"} and asgi):
        target = f"{_module(wsgi[0])}:application"
        return PythonProgram(_gunicorn("@/app", target), [PORT], ["gunicorn"], reasons)
    if asgi:
        return PythonProgram(_uvicorn("@/app", f"{_module(asgi[0])}:application"), [PORT], ["uvicorn"], reasons)
    run = ["@/bin/python3", "@/app/manage.py", "runserver", "--noreload", f"0.0.0.0:{PORT}"]
    return PythonProgram(run, [PORT], (), reasons)


def _managed(project: Project, program: PythonProgram, used: set[str]) -> PythonProgram:
    """Return Django's program with the command `manage`, tables in its SQLite database, and collected static files."""
    found = management(project, used, has_own_database=bool(program.state or program.writes_here))
    if found is None:
        return program
    return program._replace(
        first=found.first,
        also_installs=found.also_installs,
        image_env=[*program.image_env, ("PATH", "@/bin:/usr/bin:/bin")],
        reasons=[*program.reasons, *found.reasons],
    )


def _web(project: Project, used: set[str], installs: bool) -> PythonProgram | None:
    """Return the server of a WSGI or ASGI application that a module of the project defines."""
    top = [file for file in _MODULES if project.has(file)]
    others = sorted(
        (file for file in project.files if file.endswith(".py") and file not in top and not _is_test(file)),
        key=lambda file: (file.count("/"), not file.endswith(tuple(f"/{name}" for name in _MODULES)), file),
    )
    for module in [*top, *others]:
        content = project.text(module)
        if not content or (installs and "/" not in module):
            continue
        found = _APPLICATION.search(content)
        if found and (found[2] != "Application" or "aiohttp" not in used) and found[2] != "Sanic":
            made = _server(_module(module), found[1], found[2], used, installs)
            return made._replace(state=_state(module, content, found[2], used))
        factory = _FACTORY.search(content)
        kind = next((name for name in (*_ASGI, "Flask") if re.search(rf"\b{name}\(", content)), None)
        if factory and kind:
            made = _server(_module(module), f"{factory[2]}()", kind, used, installs)
            return made._replace(state=_state(module, content, kind, used))
    return None


def _state(module: str, content: str, kind: str, used: set[str]) -> str:
    """Return Flask's instance directory of a module, if it is used. It is below the prefix, as the module is.

    Flask-SQLAlchemy makes the directory, and databases that are named by a relative path are in it.
    """
    uses = "flask-sqlalchemy" in used or re.search(r"\binstance_(?:path|relative_config)\b", content)
    if kind != "Flask" or not uses:
        return ""
    name = re.search(r"\bFlask\(\s*(?:import_name\s*=\s*)?(?:[\"']([\w.]+)[\"']|(__package__|__name__\.))?", content)
    path = _module(module).removeprefix("src.")
    if name and (name[1] or name[2]):
        path = name[1] or path.partition(".")[0]
    return f"var/{path}-instance"


def _server(module: str, name: str, kind: str, used: set[str], installs: bool) -> PythonProgram:
    directory = "" if installs else "@/app"
    # A package below src/ is imported by its own name.
    if module.startswith("src."):
        module = module.removeprefix("src.")
        directory = directory and f"{directory}/src"
    target = f"{module}:{name}"
    if kind in _ASGI:
        if "hypercorn" in used and "uvicorn" not in used:
            run = ["@/bin/hypercorn", "--bind", f"0.0.0.0:{PORT}", target]
            return PythonProgram(run, [PORT], ["hypercorn"], image_env=_module_path(directory))
        # An ASGI application's server: uvicorn, also where gunicorn is named beside it.
        command = _uvicorn(directory, target.removesuffix("()"))
        return PythonProgram([*command, "--factory"] if name.endswith("()") else command, [PORT], ["uvicorn"])
    if "waitress" in used and "gunicorn" not in used:
        call = ["--call"] if name.endswith("()") else []
        run = ["@/bin/waitress-serve", f"--listen=0.0.0.0:{PORT}", *call, target.removesuffix("()")]
        return PythonProgram(run, [PORT], ["waitress"], image_env=_module_path(directory))
    return PythonProgram(_gunicorn(directory, target), [PORT], ["gunicorn"])


def _module_path(directory: str) -> list[tuple[str, str]]:
    """Return the variables of an image whose server has no option for the directory of its modules."""
    return [("PYTHONPATH", directory)] if directory else []


def _gunicorn(directory: str, target: str) -> list[str]:
    return ["@/bin/gunicorn", *(["--chdir", directory] if directory else []), "--bind", f"0.0.0.0:{PORT}", target]


def _uvicorn(directory: str, target: str) -> list[str]:
    where = ["--app-dir", directory] if directory else []
    return ["@/bin/uvicorn", *where, "--host", "0.0.0.0", "--port", str(PORT), target]


# ---- modules


def _run_by_other(project: Project, used: set[str], installs: bool) -> PythonProgram | None:
    """Return the program of a module that ends at once if python3 runs it: a page of Streamlit, the tasks of Celery."""
    files = [file for file, content in sorted(project.files.items()) if content and file.endswith(".py")]
    if "streamlit" in used and not installs:
        pages = [file for file in files if "/" not in file and _STREAMLIT.search(project.text(file))]
        known = ("streamlit_app.py", *_MODULES)  # the first is the name that `streamlit run` takes by default
        page = next((file for file in known if file in pages), pages[0] if pages else None)
        if page is not None:
            options = ["--server.headless=true", "--server.address=0.0.0.0", f"--server.port={STREAMLIT_PORT}"]
            return PythonProgram(["@/bin/streamlit", "run", f"@/app/{page}", *options], [STREAMLIT_PORT])
    if "celery" in used:
        tasks = [
            file
            for file in files
            if not re.search(r"(^|/)(tests?|examples?|docs)(/|_)", file) and _CELERY.search(project.text(file))
        ]
        if tasks:
            module = _module(tasks[0]).removeprefix("src.")
            where = "" if installs else "@/app/src" if tasks[0].startswith("src/") else "@/app"
            return PythonProgram(["@/bin/celery", "-A", module, "worker"], image_env=_module_path(where))
    return None


def _main_module(project: Project, installs: bool) -> str | None:
    """Return the package of the project that has a __main__.py."""
    found = [
        match[1]
        for file in sorted(project.files)
        if (match := re.fullmatch(r"(?:src/)?([A-Za-z_]\w*)/__main__\.py", file)) and not _is_test(file)
    ]
    return found[0] if found and installs else None


def _single(project: Project) -> list[str]:
    """Return the one module that runs something, if there is one alone."""
    found = [
        file
        for file in sorted(project.files)
        if re.fullmatch(r"[A-Za-z_]\w*\.py", file) and file not in ("setup.py", "conftest.py", "manage.py")
    ]
    mains = [file for file in found if re.search(r"^if\s+__name__\s*==", project.text(file), re.MULTILINE)]
    return mains[:1] if len(mains) == 1 else found if len(found) == 1 else []


def _module(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _is_test(file: str) -> bool:
    return bool(
        re.search(
            r"(^|/)(tests?|docs?|examples?|benchmarks?|scripts|tools|tasks)(/|_|\.py$)|(^|/)(conftest|setup)\.py$", file
        )
    )
