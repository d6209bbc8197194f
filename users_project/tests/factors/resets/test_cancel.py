"""The user cancels it by the link of the mail, whatever a thief or an operator does."""

from functools import partial

import pytest

from shared.api.exceptions import LinkInvalid
from tests.factors.resets.rows import (
    ALL,
    HERE,
    NONE,
    REASON,
    WAITING,
    events,
    kinds,
    make_due,
    token_of,
)
from tests.factors.rows import tables_of
from tests.refusals import assert_refused
from users.accounts import links
from users.accounts.models import Link
from users.factors import resets
from users.factors.models import FactorReset
from users.mail.delivery import deliver
from users.mail.message import compose
from users.mail.models import Mail
from users.models import User

CANCEL = "/api/v1/users/factors_reset/cancel"


def test_asking_again_neither_hastens_it_nor_puts_it_off(asked):
    before = FactorReset.objects.get()
    resets.request(asked, "another", "another reason")
    assert FactorReset.objects.values().get() == {
        name: getattr(before, name) for name in FactorReset.objects.values().get()
    }
    assert kinds(asked) == ["factors_reset_requested"]


def test_the_mail_says_until_when_and_its_link_cancels_it(asked, api_client):
    mail = Mail.objects.get()
    assert mail.link.expires_at == FactorReset.objects.get().due_at
    assert token_of(asked) in compose(mail).body
    body = {"token": token_of(asked)}
    assert api_client.post(CANCEL, body).status_code == 204
    make_due()
    resets.run_due()
    assert tables_of(asked) == ALL
    assert events(asked)[1:] == ["factors_reset_cancelled"]
    assert_refused(api_client.post(CANCEL, body), 400, "link_invalid")


def test_the_mail_goes_to_the_address_of_now(ada):
    """It has changed since the page of the operator read the user."""
    User.objects.update(email="new@example.org", email_canonical="new@example.org")
    resets.request(ada, "operator", REASON)
    assert Mail.objects.get().address == Link.objects.get().address == "new@example.org"


def change_address(user):
    """As an operator does in the admin."""
    user.email = "other@example.org"
    user.save()


CHANGES = [
    lambda user: user.raise_epoch("password_changed", None, True),
    lambda user: user.end_sessions(),
    lambda user: user.soft_delete(),
    lambda user: user.deactivate(),
    lambda user: links.void_others(user),
    lambda user: change_address(user),
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_link_survives_what_a_thief_could_do(asked, pushes, change):
    """The last one is an operator who would take the user's veto. The first one is what
    an owner may do first who reads such a mail: choose another password."""
    change(asked)
    resets.cancel_by_link(token_of(asked), HERE)
    assert tables_of(asked) == ALL


@pytest.mark.parametrize("change", CHANGES)
def test_its_mail_is_sent_after_all_that_it_survives(asked, pushes, mailoutbox, change):
    """An operator could do that before the worker sends the mail."""
    [mail] = Mail.objects.all()
    change(asked)
    deliver(mail.pk)
    [message] = mailoutbox
    assert (message.to, token_of(asked) in message.body) == (["ada@example.org"], True)


def test_a_link_of_an_earlier_request_cancels_no_later_one(asked):
    before = token_of(asked)
    resets.cancel(asked, "operator")
    resets.request(asked, "operator", REASON)
    with pytest.raises(LinkInvalid):
        resets.cancel_by_link(before, HERE)
    assert tables_of(asked) == WAITING


def test_a_link_from_before_a_restore_cancels_no_later_one(asked):
    before = token_of(asked)
    resets.forget_all()
    resets.request(asked, "operator", REASON)
    with pytest.raises(LinkInvalid):
        resets.cancel_by_link(before, HERE)
    assert tables_of(asked) == WAITING


def kept_by(token):
    """Whether a cancellation by the link of the mail comes in time."""
    try:
        resets.cancel_by_link(token, HERE)
    except LinkInvalid:
        return False
    return True


def test_of_a_cancellation_and_the_reset_at_once_one_wins(asked, at_once, pushes):
    token = token_of(asked)
    make_due()
    done, kept = at_once(partial(resets.run, asked), partial(kept_by, token))
    assert done is not kept
    assert tables_of(asked) == (NONE if done else ALL)


def test_a_cancellation_that_is_a_little_sooner_wins(
    asked, at_once, pushes, monkeypatch
):
    """It commits while the reset is about to lock the row of the user."""
    token, lock, kept = token_of(asked), links.lock, []
    make_due()

    def cancel_before(user_id):
        monkeypatch.setattr(links, "lock", lock)
        kept.extend(at_once(partial(kept_by, token)))
        return lock(user_id)

    monkeypatch.setattr(links, "lock", cancel_before)
    assert not resets.run(asked)
    assert kept == [True]
    assert tables_of(asked) == ALL
