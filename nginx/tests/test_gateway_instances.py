"""One instance of a service or several (GATEWAY_UPSTREAM_AUTH): no request is lost, and
none is repeated that a service may have got (GW-07)."""

import time

import pytest

from nginx.tests.problem_assertions import check_problem
from nginx.tests.stub_service import Stub, StubHandler, hang_up

REFRESH, SESSIONS = "/api/v1/auth/refresh", "/api/v1/auth/sessions"
# Each worker of Nginx takes its own turns and keeps its own connections.
EDIT = {
    "processes auto": "processes 1",
    "proxy_read_timeout 15s": "proxy_read_timeout 1s",
}


@pytest.fixture
def instances():
    stubs = [Stub("auth"), Stub("auth")]
    yield stubs
    for stub in stubs:
        stub.stop()


@pytest.fixture
def start_before(start):
    """Calls start a gateway before these instances."""

    def started(stubs, **edit):
        listed = ", ".join(stub.address for stub in stubs)
        several = {"GATEWAY_UPSTREAM_AUTH": listed} if len(stubs) > 1 else {}
        return start(several, f"--upstream=auth={stubs[0].address}", edit=EDIT | edit)

    return started


def ask_often(gateway):
    """The statuses of requests on new and on kept connections."""
    return {gateway.ask(m, REFRESH).status_code for m in ("POST", "GET") * 6}


def test_what_one_instance_refuses_the_next_one_gets(start_before, instances):
    """And one that is back is used again, at once."""
    (first, second), gateway = instances, start_before(instances)
    assert ask_often(gateway) == {200}
    assert first.requests == second.requests == 6
    first.stop()
    assert ask_often(gateway) == {200}
    assert (first.requests, second.requests) == (6, 18)
    first = instances[0] = Stub("auth", first.server_address[1])
    assert ask_often(gateway) == {200}
    assert first.requests == 6
    for stub in instances:
        stub.stop()
    check_problem(gateway.ask("POST", REFRESH), 503, "upstream_unavailable")


@pytest.mark.parametrize(
    ("count", "method"), [(1, "GET"), (1, "POST"), (2, "POST"), (2, "PATCH")]
)
@pytest.mark.parametrize(
    "answer", [hang_up, lambda _: time.sleep(2)], ids=["breaks off", "too slow"]
)
def test_a_request_that_was_sent_is_not_sent_again(
    start_before, instances, count, method, answer
):
    """Or the service would see a refresh token used twice. By default Nginx repeats on
    a new connection what broke a kept one."""
    used = instances[:count]
    gateway = start_before(used)
    for kept in (False, True):
        for stub in used:
            stub.received.clear()
            stub.answer = StubHandler.usual
        for _ in range(count * kept):
            gateway.ask("POST", REFRESH)
        for stub in used:
            stub.answer = answer
        response = gateway.ask(method, REFRESH)
        check_problem(response, 503, "upstream_unavailable")
        assert sum(stub.requests for stub in used) == count * kept + 1


def test_a_slow_answer_is_not_waited_for_twice(start_before, instances):
    """Or a service that is slow would get twice the work."""
    gateway = start_before(instances, **{"upstream_timeout 3s": "upstream_timeout 1s"})
    for stub in instances:
        stub.answer = lambda _: time.sleep(2)
    check_problem(gateway.get(SESSIONS), 503, "upstream_unavailable")
    assert sum(stub.requests for stub in instances) == 1
