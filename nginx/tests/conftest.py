"""Gateways: one for all tests, and others with settings of their own."""

from contextlib import ExitStack

import pytest

from nginx.tests.gateway_stack import running_gateway
from nginx.tests.stub_service import StubHandler


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    files = folder / "static" / "admin"
    files.mkdir(parents=True)
    (files / "base.css").write_text("a{}" * 1000)
    (files / "base.0123456789ab.css").write_text("b{}")
    with running_gateway(folder) as gateway:
        yield gateway


@pytest.fixture
def gateway(running):
    yield running
    running.auth.answer = running.users.answer = StubHandler.usual


@pytest.fixture
def start(tmp_path):
    """Calls start another one, as `running_gateway` does. It stops after the test."""
    with ExitStack() as stack:
        yield lambda *args, **edits: stack.enter_context(
            running_gateway(tmp_path, *args, **edits)
        )
