"""Small projects of web frameworks, without a lock: the file of `fpack init` locks, packs and serves each of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from support.examples import World, write_files
from support.needs import needs_podman
from support.processes.podman import Podman
from support.processes.serving import fetch, running, stops

pytestmark = [pytest.mark.network, *needs_podman]


class Site(NamedTuple):
    """A project. files: a value that is no text is written as JSON. page: a path, and a part of what it answers."""

    name: str
    files: dict[str, object]
    port: int
    page: tuple[str, str]


SVELTE_CONFIG = """import adapter from '@sveltejs/adapter-static';
export default { kit: { adapter: adapter() } };
"""
NEST_MAIN = """import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Controller, Get, Module } from '@nestjs/common';

@Controller()
class Greeter {
  @Get('hello')
  hello(): string { return 'Hello from Nest'; }
}

@Module({ controllers: [Greeter] })
class App {}

NestFactory.create(App).then((app) => app.listen(process.env.PORT ?? 3000));
"""
DJANGO_SETTINGS = """from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "of a test"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""
DJANGO_MANAGE = """#!/usr/bin/env python
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
"""
SITES = [
    Site("html", {"index.html": "<h1>Plain</h1>", "about/index.html": "about"}, 8080, ("/", "Plain")),
    Site(
        "hugo",
        {
            "hugo.toml": 'baseURL = "https://example.org/"\ntitle = "Notes"\n',
            "content/one.md": "---\ntitle: One\n---\nThe *first* note.\n",
            "layouts/_default/single.html": "<h1>{{ .Title }}</h1>{{ .Content }}",
            "layouts/index.html": "{{ range .Site.RegularPages }}{{ .Title }}{{ end }}",
        },
        8080,
        ("/one/", "<em>first</em>"),
    ),
    Site(
        "flask",
        {
            "requirements.txt": "flask\n",
            "app.py": "from flask import Flask\napp = Flask(__name__)\n\n"
            "@app.get('/')\ndef page():\n    return 'by Flask'\n",
        },
        8000,
        ("/", "by Flask"),
    ),
    Site(
        "fastapi",
        {
            "requirements.txt": "fastapi\nuvicorn\n",
            "main.py": "from fastapi import FastAPI\napp = FastAPI()\n\n"
            "@app.get('/')\ndef page():\n    return {'by': 'FastAPI'}\n",
        },
        8000,
        ("/", '"FastAPI"'),
    ),
    Site(
        "django",
        {
            "requirements.txt": "django\n",
            "manage.py": DJANGO_MANAGE,
            "shop/__init__.py": "",
            "shop/settings.py": DJANGO_SETTINGS,
            "shop/urls.py": "from django.contrib.auth.models import User\nfrom django.http import HttpResponse\n"
            "from django.urls import path\n"
            "urlpatterns = [path('', lambda request: HttpResponse(f'{User.objects.count()} users'))]\n",
            "shop/wsgi.py": "import os\nfrom django.core.wsgi import get_wsgi_application\n"
            "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\napplication = get_wsgi_application()\n",
        },
        8000,
        ("/", "0 users"),
    ),
    Site(
        "express",
        {
            "package.json": {"name": "greeter", "scripts": {"start": "node server.js"},
                             "dependencies": {"express": "^4"}},
            "server.js": "const app = require('express')();\napp.get('/', (_, answer) => answer.send('by Express'));\n"
            "app.listen(process.env.PORT || 3000);\n",
        },
        3000,
        ("/", "by Express"),
    ),
    Site(
        "vite",
        {
            "package.json": {"name": "page", "private": True, "type": "module", "scripts": {"build": "vite build"},
                             "devDependencies": {"vite": "^6"}},
            "index.html": '<div id="app">by Vite</div><script type="module" src="/main.js"></script>',
            "main.js": "document.title = 'page';\n",
        },
        8080,
        ("/some/route", "by Vite"),
    ),
    Site(
        "astro",
        {
            "package.json": {"name": "pages", "private": True, "type": "module", "scripts": {"build": "astro build"},
                             "dependencies": {"astro": "^5"}},
            "src/pages/index.astro": "---\nconst by = 'Astro';\n---\n<h1>by {by}</h1>\n",
        },
        8080,
        ("/", "by Astro"),
    ),
    Site(
        "sveltekit",
        {
            "package.json": {"name": "kit", "private": True, "type": "module", "scripts": {"build": "vite build"},
                             "devDependencies": {"@sveltejs/kit": "^2", "@sveltejs/adapter-static": "^3",
                                                 "@sveltejs/vite-plugin-svelte": "^5", "svelte": "^5", "vite": "^6"}},
            "svelte.config.js": SVELTE_CONFIG,
            "vite.config.js": "import { sveltekit } from '@sveltejs/kit/vite';\n"
            "export default { plugins: [sveltekit()] };\n",
            "src/app.html": "<html><head>%sveltekit.head%</head><body>%sveltekit.body%</body></html>",
            "src/routes/+layout.js": "export const prerender = true;\n",
            "src/routes/+page.svelte": "<h1>by Svelte</h1>\n",
        },
        8080,
        ("/", "by Svelte"),
    ),
    Site(
        "next",
        {
            "package.json": {"name": "next-page", "private": True, "scripts": {"build": "next build"},
                             "dependencies": {"next": "^15", "react": "^19", "react-dom": "^19"}},
            "next.config.mjs": "export default { output: 'export' };\n",
            "app/layout.js": "export default function Layout({ children }) {\n"
            "  return <html><body>{children}</body></html>;\n}\n",
            "app/page.js": "export default function Page() { return <h1>by Next</h1>; }\n",
        },
        8080,
        ("/", "by Next"),
    ),
    Site(
        "nest",
        {
            "package.json": {"name": "nest-app", "private": True,
                             "scripts": {"build": "nest build", "start:prod": "node dist/main"},
                             "dependencies": {"@nestjs/common": "^10", "@nestjs/core": "^10",
                                              "@nestjs/platform-express": "^10",
                                              "reflect-metadata": "^0.2", "rxjs": "^7"},
                             "devDependencies": {"@nestjs/cli": "^10", "typescript": "~5.7", "@types/node": "^22"}},
            "nest-cli.json": {"collection": "@nestjs/schematics", "sourceRoot": "src"},
            "tsconfig.json": {"compilerOptions": {"module": "commonjs", "target": "es2022", "outDir": "./dist",
                                                  "rootDir": "./src", "emitDecoratorMetadata": True,
                                                  "experimentalDecorators": True, "skipLibCheck": True}},
            "src/main.ts": NEST_MAIN,
        },
        3000,
        ("/hello", "Hello from Nest"),
    ),
]  # fmt: skip
ALWAYS = ("html", "hugo", "fastapi", "django", "express", "vite")  # the others are `long`


def _marked(site: Site) -> object:
    return pytest.param(site, id=site.name, marks=[] if site.name in ALWAYS else [pytest.mark.long])


@pytest.mark.parametrize("site", list(map(_marked, SITES)))
def test_a_site_is_packed_and_served(site: Site, world: World, podman: Podman, tmp_path: Path) -> None:
    place = tmp_path / site.name
    texts = {name: text if isinstance(text, str) else json.dumps(text) for name, text in site.files.items()}
    write_files(place, texts)
    told = json.loads(world.fpack("init", "--json", cwd=place).stdout)["todo"]
    assert [line for line in told if "fpack lock" not in line] == []
    if told:
        world.fpack("lock", cwd=place, timeout=600)
    packed = world.fpack.pack(cwd=place, timeout=900)
    with running(podman, podman.load(place / packed["file"])) as container:
        path, expected = site.page
        answer = fetch(container, f"http://127.0.0.1:{site.port}{path}")
        assert answer.status == 200 and expected in answer.body
        stops(container)
