"""The fixtures that services' suites use do what they say."""

import time

import pytest

from shared.testing import REFUSED_TOKENS
from shared.tests.conftest import assert_problem


def test_a_valid_token_lets_its_person_in(me, tokens):
    answer = me(f"Bearer {tokens.valid(username='grace', roles=['admin'])}")

    assert answer.status_code == 200
    assert answer.json()["username"] == "grace"
    assert answer.json()["roles"] == ["admin"]


@pytest.mark.parametrize(("kind", "code"), REFUSED_TOKENS)
def test_each_other_kind_is_refused_for_its_own_reason(me, tokens, kind, code):
    assert_problem(me(f"Bearer {getattr(tokens, kind)()}"), 401, code)


def test_nothing_else_is_wrong_with_them(me, tokens):
    """Put right, they are let in: so it is what is wrong that is refused."""
    now = int(time.time())
    assert me(f"Bearer {tokens.expired(iat=now, exp=now + 60)}").status_code == 200
    assert me(f"Bearer {tokens.wrong_audience(aud='memo')}").status_code == 200
