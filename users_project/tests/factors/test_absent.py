"""Factors of users who are not there."""

import pytest

from tests.factors.totp_factors import add_totp, code
from tests.refusals import assert_refused
from users.accounts import deletion


@pytest.mark.parametrize("end", ["soft_delete", "deactivate"])
def test_the_factors_of_an_absent_user_are_not_accepted(ada, codes, prove, pushes, end):
    """They wait, unused, for the account to come back."""
    add_totp(ada)
    getattr(ada, end)()
    for proof in ({"totp": code()}, {"recovery_code": codes[0]}):
        assert_refused(prove(ada, **proof), 401, "token_invalid")
    if end == "soft_delete":
        deletion.restore(ada)
    else:
        ada.activate()
    for proof in ({"totp": code()}, {"recovery_code": codes[0]}):
        assert prove(ada, **proof).status_code == 200
