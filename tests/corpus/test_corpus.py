"""Public projects build, pack and run by the file that `fpack init` writes. `pytest -m corpus` tries all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus import table
from corpus.projects import CorpusProject, read
from corpus.trial import Corpus
from support.stores.shared import shared_store

HERE = Path(__file__).parent
PROJECTS = read(HERE / "projects.toml")


def _marked(project: CorpusProject) -> object:
    marks = [] if project.ci else [pytest.mark.long]
    return pytest.param(project, id=project.name, marks=marks)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Corpus]:
    """Yield one directory for all workers."""
    base = tmp_path_factory.getbasetemp()
    yield Corpus((base if worker_id == "master" else base.parent) / "corpus", store=shared_store(tmp_path_factory))


@pytest.mark.corpus
@pytest.mark.network
@pytest.mark.parametrize("project", list(map(_marked, PROJECTS)))
def test_a_newcomer_builds_packs_and_runs_it(project: CorpusProject, corpus: Corpus) -> None:
    result = corpus.attempt(project)
    if project.fails and not result["works"]:
        pytest.xfail(project.fails)
    assert result["works"], f"{result['step']}: {result['what']}"
    assert not project.fails, "it works: remove `fails` from the list"
    assert result.get("edits", 0) == len(project.edits), table.reason(str(result.get("unedited")))
