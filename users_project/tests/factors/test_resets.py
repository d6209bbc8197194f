"""A user has lost all factors, and an operator helps: after a time, with a mail."""

from datetime import timedelta
from functools import partial
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.utils import timezone

from shared.api.exceptions import LinkInvalid
from tests.admin_pages import browser_of, said, url
from tests.factories import NEW, UserFactory
from tests.factors.rows import tables_of, with_factors
from tests.refusals import assert_refused
from users import tasks
from users.accounts import deletion, links, reset
from users.accounts.models import Link, Purpose
from users.events.models import Event
from users.factors import resets
from users.factors.models import FactorReset
from users.limits.guess_limits import Client
from users.mail.delivery import deliver
from users.mail.message import compose
from users.mail.models import Kind, Mail
from users.models import Role, User

ALL, WAITING, NONE = [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]
HERE = Client("192.0.2.7")
CANCEL = "/api/v1/users/factors_reset/cancel"
REASON = "seen at the desk, with a passport"


@pytest.fixture(autouse=True)
def _delay(settings):
    settings.FACTOR_RESET_DELAY = 24 * 3600


@pytest.fixture
def ada():
    now = timezone.now()
    user = UserFactory(email="ada@example.org", username="ada", email_verified_at=now)
    return with_factors(user)


@pytest.fixture
def asked(ada):
    """Ada, whose factors are to be reset."""
    resets.request(ada, "operator", REASON)
    return ada


@pytest.fixture
def page(ada):
    return url("users_user_factors", ada.pk)


def kinds(user):
    return [mail.kind for mail in Mail.objects.filter(user=user).order_by("pk")]


def events(user):
    found = Event.objects.filter(user_id=user.pk, event__startswith="factors_")
    return [event.event for event in found.order_by("id")]


def token_of(user, purpose=Purpose.KEEP_FACTORS):
    sent = Link.objects.filter(user=user, purpose=purpose)
    return links.token_of(sent.latest("created_at"))


def make_due(**mail):
    """With its mail sent, unless `mail` says otherwise."""
    Mail.objects.update(**(mail or {"sent_at": timezone.now()}))
    FactorReset.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def test_nothing_is_removed_until_the_time_has_come(asked, pushes):
    tasks.reset_factors(timestamp=0)
    assert tables_of(asked) == WAITING
    FactorReset.objects.update(due_at=timezone.now() + timedelta(seconds=30))
    tasks.reset_factors(timestamp=0)
    assert not resets.run(asked)
    assert tables_of(asked) == WAITING
    assert kinds(asked) == ["factors_reset_requested"]
    assert events(asked) == ["factors_reset_requested"]


def test_then_all_goes_and_all_sessions_end(asked, pushes, on_commit, audits):
    other, before = with_factors(UserFactory()), asked.session_epoch
    make_due()
    with on_commit():
        tasks.reset_factors(timestamp=0)
        tasks.reset_factors(timestamp=0)  # once
    asked.refresh_from_db()
    assert asked.session_epoch > before
    assert [each["reason"] for each in pushes] == ["factors_reset"]
    assert (tables_of(asked), tables_of(other)) == (NONE, ALL)
    assert kinds(asked) == ["factors_reset_requested", "factors_reset"]
    assert events(asked) == ["factors_reset_requested", "factors_reset"]
    lines = [each for each in audits() if each.event == "factors_reset"]
    assert [(each.by, each.why) for each in lines] == [("operator", REASON)]


@pytest.mark.parametrize("mail", [{"sent_at": None}, {"failed_at": timezone.now()}])
def test_a_user_who_got_no_mail_could_not_object_and_loses_nothing(asked, mail):
    make_due(**mail)
    resets.run_due()
    assert tables_of(asked) == ALL
    assert events(asked)[1:] == ["factors_reset_cancelled"]


def test_without_mail_it_is_done(asked, pushes, settings):
    settings.MAIL_ENABLED = False
    make_due(sent_at=None)
    resets.run_due()
    assert tables_of(asked) == NONE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["notify", "record"])
def test_it_is_done_whole_or_not_at_all(asked, monkeypatch, fault):
    make_due()
    monkeypatch.setattr(resets, fault, None)
    with pytest.raises(TypeError):
        resets.run_due()
    assert tables_of(asked) == WAITING
    assert User.objects.get().session_epoch == asked.session_epoch


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


def test_a_user_who_deleted_the_account_can_still_restore_it(asked, pushes):
    deletion.delete_own(asked)
    make_due()
    resets.run_due()
    link = Link.objects.get(purpose="restore")
    deletion.restore_by_link(links.token_of(link), HERE)
    assert User.objects.get(pk=asked.pk).is_present
    assert tables_of(asked) == NONE


def test_a_restored_database_waits_for_no_reset(asked, tmp_path):
    """The user may have cancelled it since, and cannot again before it is due."""
    make_due()
    file = tmp_path / "erasures"
    file.touch()
    call_command("eraseusers", str(file))
    tasks.reset_factors(timestamp=0)
    assert tables_of(asked) == ALL


def test_nor_does_a_link_from_before_a_restore_cancel_a_later_one(asked):
    before = token_of(asked)
    resets.forget_all()
    resets.request(asked, "operator", REASON)
    with pytest.raises(LinkInvalid):
        resets.cancel_by_link(before, HERE)
    assert tables_of(asked) == WAITING


def test_the_mail_goes_to_the_address_of_now(ada):
    """It has changed since the page of the operator read the user."""
    User.objects.update(email="new@example.org", email_canonical="new@example.org")
    resets.request(ada, "operator", REASON)
    assert Mail.objects.get().address == Link.objects.get().address == "new@example.org"


# A password is another thing


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


def test_nor_does_that_of_a_request_which_a_new_password_ended(pushes):
    """Of a user whose mailbox was not proved."""
    user = with_factors(UserFactory())
    resets.request(user, "operator", REASON)
    before = token_of(user)
    new_password(user)
    resets.request(with_factors(user), "operator", REASON)
    with pytest.raises(LinkInvalid):
        resets.cancel_by_link(before, HERE)
    assert tables_of(user) == WAITING


# The command


def resetfactors(*words):
    out = StringIO()
    call_command("resetfactors", *words, stdout=out)
    return out.getvalue()


def test_the_command_does_it_at_once_and_prints_a_code(asked, pushes):
    code = resetfactors("ada", "--reason", REASON).split()[-1]
    assert tables_of(asked) == NONE
    assert kinds(asked)[1:] == ["factors_reset"]
    link = links.find(code, Purpose.ENROL)
    assert links.take(link) == asked


@pytest.mark.parametrize(
    "words", [["ada"], ["ada", "--reason", " "], ["none", "--reason", REASON]]
)
def test_it_needs_a_user_and_a_reason(ada, words):
    with pytest.raises(CommandError):
        resetfactors(*words)
    assert tables_of(ada) == ALL


def test_it_prints_a_code_for_a_user_without_a_factor(pushes):
    bob = UserFactory(username="bob")
    code = resetfactors("bob", "--reason", "new employee").split()[-1]
    assert links.take(links.find(code, Purpose.ENROL)) == bob


# The admin


def test_an_operator_asks_for_it_with_a_reason_and_cancels_it(admin, ada, page, root):
    text = admin.get(page).content.decode()
    assert "phone" in text
    assert "Reset factors" in text
    assert said(admin.post(page, {"reason": REASON}))
    waiting = FactorReset.objects.get()
    assert (waiting.operator, waiting.reason) == (str(root.pk), REASON)
    assert kinds(ada) == ["factors_reset_requested"]
    text = admin.get(page).content.decode()
    assert REASON in text
    assert "Reset factors" not in text
    admin.post(page, {"cancel": "yes"})
    assert tables_of(ada) == ALL
    messages = [each.get_change_message() for each in LogEntry.objects.order_by("pk")]
    assert len(messages) == 2
    assert REASON in messages[0]
    *_, last = said(admin.post(page, {"cancel": "yes"}))
    assert last == "No reset waits any more: nothing was done."


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_without_a_reason_nothing_is_done(admin, ada, page, reason):
    assert admin.post(page, {"reason": reason}).status_code == 400
    assert tables_of(ada) == ALL


@pytest.mark.parametrize("body", [{"reason": REASON}, {"cancel": "yes"}])
def test_an_operator_resets_no_one_with_more_rights(clerk, asked, page, body):
    User.objects.filter(pk=asked.pk).update(is_staff=True)
    FactorReset.objects.update(operator="root")
    assert clerk.post(page, body).status_code == 403
    assert FactorReset.objects.get().operator == "root"
    assert "not yours" in clerk.get(page).content.decode()


def more_rights(user, operator):
    User.objects.filter(pk=user.pk).update(is_staff=True)


def another_role(user, operator):
    user.groups.add(Role.objects.create(name="finance"))


def no_right(user, operator):
    operator.user_permissions.clear()


def no_staff(user, operator):
    User.objects.filter(pk=operator.pk).update(is_staff=False)


def absent(user, operator):
    operator.deactivate()


@pytest.mark.parametrize(
    "meanwhile", [more_rights, another_role, no_right, no_staff, absent]
)
def test_an_operator_who_may_not_change_the_user_any_more_resets_nothing(
    ada, page, pushes, meanwhile
):
    """OPS-11: as in a job of the list. The mailed link cancels no later reset."""
    rights = ["view_user", "change_user"]
    operator = UserFactory(is_staff=True, permissions=rights)
    browser_of(operator).post(page, {"reason": REASON})
    assert tables_of(ada) == WAITING
    meanwhile(ada, operator)
    make_due()
    tasks.reset_factors(timestamp=0)
    assert tables_of(ada) == ALL
    assert kinds(ada) == ["factors_reset_requested"]
    assert events(ada) == ["factors_reset_requested", "factors_reset_cancelled"]
    with pytest.raises(LinkInvalid):
        links.find(token_of(ada), Purpose.KEEP_FACTORS)


def test_staff_without_the_right_do_not_see_it(asked, page):
    assert browser_of(UserFactory(is_staff=True)).get(page).status_code == 403
    assert Kind.FACTORS_RESET not in kinds(asked)
