"""Enrol tokens: they open what asks for them, and are of no other use."""

import uuid

import pytest

from shared.testing import REFUSED_TOKENS
from shared.tests.conftest import assert_problem

ENROL, ME = "/api/v1/test/enrol", "/api/v1/test/me"


def test_an_enrol_token_names_a_user_and_their_epoch(enrolling, bearer):
    """Where it is taken, an access token is too."""
    sub = str(uuid.uuid4())
    assert enrolling(sub=sub, epoch=7).get(ENROL).json() == {"id": sub, "epoch": 7}
    assert bearer(sub=sub).get(ENROL).json() == {"id": sub, "epoch": None}


def test_it_opens_nothing_else(enrolling):
    """TOK-03."""
    assert_problem(enrolling().get(ME), 401, "token_invalid")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"aud": "memo"}, "token_invalid"),
        ({"token_type": "access"}, "token_invalid"),
        ({"headers": {"typ": "at+jwt"}}, "token_invalid"),
        ({"headers": {"typ": "rt+jwt"}}, "token_invalid"),
        *(({"epoch": epoch}, "token_invalid") for epoch in (None, "7", True, 1.5)),
        ({"exp": 1}, "token_expired"),
    ],
)
def test_a_token_that_is_almost_one_is_refused(enrolling, wrong, code):
    assert_problem(enrolling(**wrong).get(ENROL), 401, code)


@pytest.mark.parametrize(("kind", "code"), REFUSED_TOKENS)
def test_an_access_token_is_as_good_as_anywhere(tokens, api_client, kind, code):
    token = getattr(tokens, kind)()
    answer = api_client.get(ENROL, headers={"Authorization": f"Bearer {token}"})
    assert_problem(answer, 401, code)


def test_without_a_token_it_is_401(api_client):
    assert_problem(api_client.get(ENROL), 401, "token_missing")
