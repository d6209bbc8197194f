import pytest

from deploy.local import server_binaries
from deploy.local.problems import Problem
from deploy.tests.browser.browser import Browser


@pytest.fixture(scope="session")
def chromium(system, tmp_path_factory):
    try:
        program = server_binaries.tool(system.layout, server_binaries.CHROMIUM)
    except Problem as problem:
        pytest.skip(f"NO CHROMIUM: {problem}")
    with Browser(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(chromium):
    chromium.forget()
    return chromium
