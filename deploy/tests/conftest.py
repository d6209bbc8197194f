"""Fixtures of the whole system: a running stack, and users who use it."""

import os

import pytest

from deploy.tests.admin_site import Operator
from deploy.tests.client import TestUser
from deploy.tests.extra_services import third_service
from deploy.tests.factors import FactorUser, enrolled
from deploy.tests.signing_keys import only
from deploy.tests.stack import System, wait_until
from deploy.tests.tls_stack import tls_stack


@pytest.fixture(scope="session")
def system():
    """The stack, up; it stays up for the next run."""
    running = System(os.environ.get("MEMO_STACK", "test"))
    running.up()
    return running


@pytest.fixture
def healthy(system):
    """The stack, for tests that break it: checked to be whole again afterwards. Its
    worker reports a little later."""
    yield system
    wait_until(lambda: system.status()["state"] == "ready", 30, "a whole stack")


@pytest.fixture
def register(system):
    """Makes users with an account."""

    def make() -> TestUser:
        user = TestUser(system)
        response = user.register()
        assert response.status_code == 201, response.text
        return user

    return make


@pytest.fixture
def user(register):
    """A user who is logged in."""
    ada = register()
    response = ada.log_in()
    assert response.status_code == 200, response.text
    return ada


@pytest.fixture
def other(user):
    """The same user on a second device."""
    return user.on_another_device()


@pytest.fixture
def protected(system):
    """A user with an app, a passkey and recovery codes, logged in with the app."""
    return enrolled(FactorUser(system))


@pytest.fixture(scope="session")
def operator(system):
    """A user who may do everything in the admin."""
    return Operator(system)


@pytest.fixture(scope="session")
def secure(system, tmp_path_factory):
    """The stack's services, over TLS and under names of a domain."""
    with tls_stack(system, tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture
def one_key(system):
    """The kid of the one signing key there is; afterwards there is one again."""
    yield only(system)
    only(system)


@pytest.fixture(scope="module")
def third(system):
    """A service next to the stack that fetches the keys."""
    with third_service(system) as service:
        yield service
