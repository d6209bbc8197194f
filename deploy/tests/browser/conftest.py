import pytest

from deploy.local.problems import Problem
from deploy.local.servers import server_binaries
from deploy.tests.browser.browser import Browser

SHELL = "chromium-headless-shell"
CHROMIUM = server_binaries.Kind(
    (SHELL, "chromium", "google-chrome"), SHELL, r"--version Chrom\w+ (\d+)"
)


@pytest.fixture(scope="session")
def chromium(system, tmp_path_factory):
    try:
        program = server_binaries.tool(system.layout, CHROMIUM)
    except Problem as problem:
        pytest.skip(f"NO CHROMIUM: {problem}")
    with Browser(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(chromium):
    chromium.forget()
    return chromium
