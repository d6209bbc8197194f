"""Redis behind Sentinel: real servers, and a failover between them."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings
from django_redis.pool import get_connection_factory
from redis.exceptions import ConnectionError, NoPermissionError
from redis.sentinel import Sentinel

from shared.auth import session_state
from shared.redis_sentinel import CONFIRMED, Majority, parse_redis_url
from shared.tests.redis_group import NAME, PASSWORD, Group, until


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    group = Group(tmp_path_factory.mktemp("redis"))
    yield group
    group.stop()


@pytest.fixture
def behind_sentinel(group: Group, settings: Any) -> Iterator[None]:
    """The settings of a service that is given the Sentinels."""
    address, default = parse_redis_url(group.url), settings.CACHES["default"]
    options = {**default["OPTIONS"], **address.options, "PASSWORD": PASSWORD}
    cache = {**default, "LOCATION": address.location, "OPTIONS": options}
    session_state.breaker.succeeded()
    with override_settings(CACHES={"default": cache}):
        yield
        session_state.connection().connection_pool.disconnect()
    session_state.breaker.succeeded()


@pytest.mark.parametrize(
    ("missing", "found"), [(slice(0, 1), True), (slice(2, 3), True), (slice(2), None)]
)
@pytest.mark.usefixtures("behind_sentinel")
def test_a_primary_needs_the_word_of_most_sentinels(
    group: Group, missing: slice, found: bool | None
) -> None:
    """One alone may be cut off from the others, together with a former primary. Without
    a majority PostgreSQL is asked, as without Redis."""
    sid = uuid4()
    session_state.mark_active(sid, 300)
    assert session_state.is_active(sid)
    for port in group.sentinels[missing]:
        group.processes[port].kill()
        group.processes[port].wait()
    try:
        time.sleep(CONFIRMED)
        assert session_state.is_active(sid) is found
        if not found:
            with pytest.raises(ConnectionError):
                session_state.connection().get("any")
    finally:
        for port in group.sentinels[missing]:
            group.start(port, "", "--sentinel")
        until(group.knows_replica, "Sentinels that are back")


def test_a_sentinel_that_answers_by_an_error_is_one_of_the_minority(
    group: Group,
) -> None:
    """Such as one whose ACL lacks the command. The two others are a majority."""
    first = group.client(group.sentinels[0])
    first.execute_command("ACL SETUSER", "default", "-sentinel")
    try:
        with pytest.raises(NoPermissionError):
            first.sentinel_masters()
        others = Sentinel([("127.0.0.1", port) for port in group.sentinels])
        found = Majority(others).discover_master(NAME)
        assert found == ("127.0.0.1", group.primary)
    finally:
        first.execute_command("ACL SETUSER", "default", "+sentinel")


def test_a_replica_leaves_no_file(group: Group) -> None:
    """DATA-01: as the next primary it would load sessions that have ended by then."""
    until(group.has_replica, "replication")
    assert not [*group.folder.glob("*.rdb")]


# Last, as Sentinel takes a while to make a replica of the former primary.
@pytest.mark.usefixtures("behind_sentinel")
def test_what_a_former_primary_says_is_not_relied_on(group: Group) -> None:
    """DATA-04: it stands still, another takes its place, and a session ends there. When
    it continues it takes itself for the primary, and our connection to it is open."""
    sid, former = uuid4(), group.primary
    session_state.mark_active(sid, 300)
    assert session_state.is_active(sid)

    os.kill(group.processes[former].pid, signal.SIGSTOP)
    group.wait_for_another(former)
    group.client(group.primary).set(session_state.key(sid), "revoked:logout")
    os.kill(group.processes[former].pid, signal.SIGCONT)

    assert group.client(former).get(session_state.key(sid)) == session_state.ACTIVE
    assert session_state.is_active(sid) is False


URLS = {
    "redis+sentinel://a:26379,b,[::1]:26380/memo": [
        ("a", 26379),
        ("b", 26379),
        ("::1", 26380),
    ],
    "rediss+sentinel://auth@s1.example/memo-1": [("s1.example", 26379)],
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_names_sentinels_and_a_group(url: str) -> None:
    address = parse_redis_url(url)

    assert address.options["SENTINELS"] == URLS[url]
    tls = address.options["CONNECTION_POOL_KWARGS"].get("ssl", False)
    assert tls == url.startswith("rediss")
    name = url.rpartition("/")[2]
    assert address.location.rpartition("@")[2].endswith(f"{name}/0")


@pytest.mark.parametrize("url", ["redis://a", "rediss://a", "unix:///a", *URLS])
def test_no_server_changes_our_timeouts(url: str) -> None:
    """DATA-05. The library's maintenance notifications let it."""
    address = parse_redis_url(url)
    factory: Any = get_connection_factory(address.options)
    location = factory.make_connection_params(address.location)
    pool = factory.get_connection_pool(location)
    sentinels = pool.sentinel_manager.sentinels if url in URLS else []
    for each in (pool, *(sentinel.connection_pool for sentinel in sentinels)):
        assert not each.maint_notifications_enabled()


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:26379",
        "redis+sentinel:///memo",
        "redis+sentinel://a:secret@b/memo",
        "redis+sentinel://a,,b/memo",
        "redis+sentinel://a:port/memo",
        "redis+sentinel://a/Memo",
        "sentinel://a/memo",
        "localhost:6379",
    ],
)
def test_a_url_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be redis") as caught:
        parse_redis_url(url)
    assert "secret" not in str(caught.value)
