"""Health: live depends on nothing, ready on what the service cannot do without."""

import pytest
from rest_framework.test import APIClient

from tests.conftest import database_down, outcome, redis_down

LIVE, READY = "/api/v1/auth/health/live", "/api/v1/auth/health/ready"
FINE = {"status": "ok", "service": "auth", "degraded": False}


def get(path):
    return APIClient(raise_request_exception=False).get(path)


@pytest.mark.django_db
def test_without_redis_it_is_ready_and_degraded(trusted_kid):
    """DATA-12: a blip of Redis must not take every worker out."""
    with redis_down():
        answer = get(READY)

    assert (answer.status_code, answer.json()) == (200, FINE | {"degraded": True})
    assert (get(READY).status_code, get(READY).json()) == (200, FINE)


@pytest.mark.django_db(transaction=True)
def test_without_the_database_it_is_not_ready(trusted_kid):
    with database_down():
        answer = get(READY)

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert get(READY).json() == FINE


@pytest.mark.django_db(transaction=True)
def test_without_keys_it_is_live_and_not_ready(settings, tmp_path):
    """Being live depends on nothing."""
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    assert outcome(get(READY)) == (503, "dependency_unavailable")

    with redis_down(), database_down():
        answer = get(LIVE)

    assert (answer.status_code, answer.json()) == (200, FINE)
