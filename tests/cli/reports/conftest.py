"""Fixtures of the tests of pages: a browser for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.processes.browser import Tab, browser


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_is_wrong(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check after each test that no page logged an error, broke its policy, or asked for anything but a file."""
    yield
    if "tab" in request.fixturenames:
        found: Tab = request.getfixturevalue("tab")
        assert found.log == []
        assert {url.partition(":")[0] for url in found.requests} <= {"file", "about"}
