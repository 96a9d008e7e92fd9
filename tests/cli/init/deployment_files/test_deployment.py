"""Test what `fpack init` takes from a Procfile, a Dockerfile and a compose file, and what it says that it leaves."""

from __future__ import annotations

import pytest
from fpack.cli.init.deployment_files.deployment import Deployment, deployed
from fpack.cli.init.detect import guess
from fpack.cli.init.project import Project

FLASK = {"wsgi.py": "app = Flask(__name__)\n", "requirements.txt": "flask\ngunicorn\n"}
NODE = {
    "package.json": '{"name": "n", "private": true, "scripts": {"start": "node index.js"}}',
    "index.js": "",
    "server.js": "",
}
GUNICORN = ["@/bin/gunicorn", "--chdir", "@/app"]


def _deployed(files: dict[str, str]) -> Deployment:
    project = Project("thing", files)
    found = guess(project)
    assert found is not None
    return deployed(found, project)


def test_without_such_files_nothing_changes() -> None:
    found = guess(Project("thing", FLASK))
    assert found is not None
    assert _deployed(FLASK) == (found._replace(image_env=[]), [])


@pytest.mark.parametrize(
    ("line", "rest", "port"),
    [
        ("gunicorn --bind 0.0.0.0:$PORT -w 3 wsgi:app", ["--bind", "0.0.0.0:8000", "-w", "3", "wsgi:app"], 8000),
        ("gunicorn -b :${PORT:-5001} wsgi:app", ["-b", ":5001", "wsgi:app"], 5001),
        ("gunicorn wsgi:app", ["--bind", "0.0.0.0:8000", "wsgi:app"], 8000),
    ],
)
def test_the_web_process_of_a_procfile(line: str, rest: list[str], port: int) -> None:
    found = _deployed({**FLASK, "Procfile": f"worker: python w.py\nweb: {line}\n"})
    assert found.guess.entrypoint == [*GUNICORN, *rest] and list(found.guess.ports) == [port]
    assert any(text.startswith("Procfile: worker") for text in found.unused)


def test_a_dockerfile_gives_the_port_the_command_and_the_variables() -> None:
    docker = (
        "FROM python:3.13 AS build\nENV ONLY=build\nCMD make\nFROM python:3.13-slim\nWORKDIR /app\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends \\\n  libpq5 \\\n # why\n  curl && rm /x\n"
        "ENV PYTHONUNBUFFERED=1 MODE=production NAME='a b'\nENV OLD form\nENV AT=/app/x REF=$OTHER\n"
        'EXPOSE 8080\nUSER nobody\nCMD ["gunicorn", "-b", "0.0.0.0:8080", "wsgi:app"]\n'
    )
    found = _deployed({**FLASK, "Dockerfile": docker})
    assert found.guess.entrypoint == [*GUNICORN, "-b", "0.0.0.0:8080", "wsgi:app"]
    assert list(found.guess.ports) == [8080]
    assert list(found.guess.image_env) == [("MODE", "production"), ("NAME", "a b"), ("OLD", "form")]
    assert any("libpq5, curl" in text for text in found.unused)


def test_a_port_moves_the_server_that_was_guessed() -> None:
    found = _deployed({**FLASK, "Dockerfile": "FROM x\nEXPOSE 9000\n"})
    assert found.guess.entrypoint == [*GUNICORN, "--bind", "0.0.0.0:9000", "wsgi:app"]
    assert list(found.guess.ports) == [9000]


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'flask db upgrade && gunicorn wsgi:app'",
        '["./start.sh"]',
        '["uvicorn", "wsgi:app"]',
        "gunicorn $WHO",
        "gunicorn other:app",
    ],
)
def test_a_command_that_is_not_understood_is_told(command: str) -> None:
    found = _deployed({**FLASK, "Dockerfile": f"FROM x\nCMD {command}\n"})
    plain = guess(Project("thing", FLASK))
    assert plain is not None and found.guess.entrypoint == plain.entrypoint
    assert any(text.startswith("Dockerfile: its command") for text in found.unused)


def test_uvicorn_listens_where_the_host_reaches_it() -> None:
    files = {"main.py": "app = FastAPI()\n", "requirements.txt": "fastapi\nuvicorn\n"}
    found = _deployed({**files, "Dockerfile": 'FROM x\nCMD ["uvicorn", "main:app", "--port", "8001"]\n'})
    assert found.guess.entrypoint is not None
    assert " ".join(found.guess.entrypoint) == "@/bin/uvicorn --app-dir @/app --host 0.0.0.0 main:app --port 8001"
    assert list(found.guess.ports) == [8001]


def test_a_node_program_with_its_flags() -> None:
    found = _deployed({**NODE, "Procfile": "web: node --max-old-space-size=400 ./server.js --log\n"})
    assert found.guess.entrypoint == ["/usr/bin/node", "--max-old-space-size=400", "@/app/server.js", "--log"]


def test_a_file_that_only_the_other_image_has_is_not_run() -> None:
    found = _deployed({**NODE, "Dockerfile": 'FROM x\nCOPY --from=b /src/dist .\nCMD ["node", "main.js"]\n'})
    assert found.guess.entrypoint == ["/usr/bin/node", "@/app/index.js"]
    assert [text for text in found.unused if "main.js" in text]


def test_services_that_are_curated_images_are_named() -> None:
    compose = "services:\n  db:\n    image: postgres:17\n  cache: \n    image: 'redis'\n  x:\n    image: acme/db:1\n"
    found = _deployed({**FLASK, "compose.yaml": compose})
    assert [text.partition(";")[2] for text in found.unused] == [
        " fpack pack postgres makes that image",
        " fpack pack redis makes that image",
    ]
