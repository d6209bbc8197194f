"""A new password removes no factor, if the address was verified."""

import pytest

from shared.api.exceptions import LinkInvalid
from tests.admin_pages import ADD, NEW_USER, change_url, fields
from tests.factories import NEW, PASSWORD, UserFactory
from tests.factors.resets.rows import ALL, HERE, NONE, REASON, WAITING, token_of
from tests.factors.rows import tables_of, with_factors
from users.accounts import links, reset
from users.accounts.models import Purpose
from users.factors import resets
from users.models import Role, User


def new_password(user):
    link = links.issue(Purpose.RESET, address=user.email_canonical, user=user)
    reset.confirm(links.token_of(link), NEW, HERE)


def test_a_new_password_removes_no_factor(ada, pushes):
    new_password(ada)
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    assert tables_of(ada) == ALL


def test_but_those_of_whoever_made_the_account_before_its_mailbox_was_proved(pushes):
    thief = with_factors(UserFactory())
    new_password(thief)
    assert tables_of(thief) == NONE


def test_an_operator_who_changes_the_address_does_not_remove_them_by_it(ada, pushes):
    """Twice, as the second time the address is not verified any more."""
    for email in ("operator@example.org", "operator@example.com"):
        ada.email = email
        ada.save()
        assert not ada.email_verified
    new_password(ada)
    assert tables_of(ada) == ALL


@pytest.mark.parametrize("by", ["createsuperuser", "form", "staff", "role"])
def test_the_mailbox_of_an_account_by_an_operator_is_not_enough(by, admin, pushes):
    """The first superuser has an address that nobody has verified. If a reset removed
    the factors, whoever reads its mail could enter the admin."""
    if by == "createsuperuser":
        user = User.objects.create_superuser("new@example.org", "new", PASSWORD)
    elif by == "form":
        assert admin.post(ADD, NEW_USER).status_code == 302
        user = User.objects.get(username=NEW_USER["username"])
    elif by == "staff":
        user = UserFactory(is_staff=True)
    else:
        user = UserFactory()
        given = fields(user, groups=[Role.objects.create(name="finance").pk])
        assert admin.post(change_url(user), given).status_code == 302
        user.refresh_from_db()
    assert not user.email_verified
    new_password(with_factors(user))
    assert tables_of(user) == ALL


def test_a_link_of_a_request_that_a_new_password_ended_cancels_no_later_one(pushes):
    """Of a user whose mailbox was not proved."""
    user = with_factors(UserFactory())
    resets.request(user, "operator", REASON)
    before = token_of(user)
    new_password(user)
    resets.request(with_factors(user), "operator", REASON)
    with pytest.raises(LinkInvalid):
        resets.cancel_by_link(before, HERE)
    assert tables_of(user) == WAITING
