"""What the Auth Service counts: each outcome once."""

import os
import time
import tomllib
import uuid
from collections import Counter
from contextlib import nullcontext

import pytest

from shared.api.metrics import refresh as refresh_gauges
from shared.metrics import REGISTRY
from tests.conftest import (
    CREDENTIALS,
    age,
    log_in,
    log_out,
    post,
    redis_down,
    refresh,
    refresh_token,
)
from tokens import metrics
from tokens.revocation import republish_revocations

pytestmark = pytest.mark.django_db


def counts(name, label):
    """By these labels; what is zero is left out."""
    sums = Counter()
    for family in REGISTRY.collect():
        for sample in family.samples:
            if sample.name == f"memo_{name}" and sample.value:
                sums[sample.labels[label]] += sample.value
    return sums


@pytest.fixture
def added():
    """What a call adds to a counter, by a label."""

    def measure(name, label, call):
        before = counts(name, label)
        call()
        after = counts(name, label)
        return {
            key: after[key] - before.get(key, 0)
            for key in after
            if after[key] != before.get(key, 0)
        }

    return measure


def test_refreshes_are_counted_by_what_became_of_them(make_session, users, added):
    def outcome(token, within=nullcontext):
        with within():
            return added("refreshes_total", "outcome", lambda: refresh(token))

    session = make_session()
    first = refresh_token(session)
    assert outcome(first) == {"rotated": 1}
    assert outcome(first) == {"leeway": 1}
    rotated = make_session(rotated=True)
    assert outcome(refresh_token(rotated)) == {"current": 1}
    assert outcome(refresh_token(rotated, uuid.uuid4())) == {"reuse": 1}
    assert outcome(refresh_token(rotated)) == {"revoked": 1}
    assert outcome(refresh_token(rotated), redis_down) == {"revoked": 1}
    over = make_session()
    age(over, 31 * 24 * 3600)
    assert outcome(refresh_token(over)) == {"expired": 1}
    assert outcome("garbage") == {}
    users.required = True
    assert outcome(refresh_token(make_session())) == {"level": 1}


def test_the_steps_of_a_login_are_counted_apart(users, trusted_kid, added):
    asked = []

    def second_factor(code):
        body = {"login": asked[0].json()["login"], "totp": code}
        return lambda: post("login/second_factor", data=body)

    def by(label, call):
        return added("logins_total", label, call)

    assert by("outcome", log_in) == {"success": 1}
    wrong = CREDENTIALS | {"password": "wrong"}
    assert by("outcome", lambda: log_in(body=wrong)) == {"invalid": 1}
    users.methods = ["totp"]
    first = by("outcome", lambda: asked.append(log_in()))
    assert first == {"second_factor": 1}
    for code, outcome in (("000000", "invalid"), ("123456", "success")):
        assert by("outcome", second_factor(code)) == {outcome: 1}
    again = by("method", second_factor("654321"))
    assert again == {"second_factor": 1}


def test_a_session_that_ends_is_counted_once(make_session, added):
    """A second logout with the same cookie ends nothing."""
    token = refresh_token(make_session())
    call = lambda: log_out(token)  # noqa: E731
    assert added("sessions_revoked_total", "reason", call) == {"logout": 1}
    assert added("sessions_revoked_total", "reason", call) == {}


@pytest.mark.parametrize(
    "reason",
    [
        *("email_change_undone", "ended_by_operator", "factor_added", "factor_removed"),
        *("factors_reset", "password_changed", "user_deactivated", "user_deleted"),
    ],
)
def test_the_reasons_of_pushes_are_labels(make_session, added, reason):
    session = make_session()
    session.revoked_reason = reason
    call = lambda: metrics.count_ended([session])  # noqa: E731
    assert added("sessions_revoked_total", "reason", call) == {reason: 1}


def test_an_unknown_reason_is_no_label(make_session, added):
    """Another version of the User Service may send any."""
    session = make_session()
    session.revoked_reason = "canary"
    call = lambda: metrics.count_ended([session])  # noqa: E731
    assert added("sessions_revoked_total", "reason", call) == {"other": 1}


def test_a_sweep_that_could_not_compare_is_no_success(make_session):
    log_out(refresh_token(make_session()))
    metrics.sweep_last_success_seconds.set(1)
    with redis_down():
        republish_revocations()
    assert REGISTRY.get_sample_value("memo_sweep_last_success_seconds") == 1
    republish_revocations()
    at = REGISTRY.get_sample_value("memo_sweep_last_success_seconds")
    assert time.time() - at < 10


def test_the_age_of_the_signing_key_is_that_of_its_publication(
    trusted_kid, settings, tmp_path
):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    file = tmp_path / f"{trusted_kid}.pem"
    file.touch()
    os.utime(file, (time.time() - 3600,) * 2)
    metrics.look()
    assert 3600 <= REGISTRY.get_sample_value("memo_signing_key_age_seconds") < 3660


def test_the_version_is_that_of_the_package_and_of_backups(settings):
    file = settings.BASE_DIR.parent / "pyproject.toml"
    version = tomllib.loads(file.read_text())["project"]["version"]
    refresh_gauges()
    labels = {"service": "auth", "version": version}
    assert REGISTRY.get_sample_value("memo_build_info", labels) == 1
