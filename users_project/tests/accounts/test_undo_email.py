"""A change of the address that the old one undoes."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from shared.tests.authenticator import Authenticator
from tests.accounts.conftest import ADDRESS, BASE, OTHER
from tests.admin_pages import act, change_url, errors, fields
from tests.factories import EPOCH, NEW, PASSWORD, UserFactory
from tests.factors.rows import TOTP, with_factors
from tests.refusals import assert_refused
from users.accounts.models import EmailChange, Link
from users.events.models import Event
from users.factors import recovery_codes, registration, resets
from users.factors.models import Factor, FactorReset, RecoveryCode
from users.models import Role, User

ME = f"{BASE}/me"


def test_the_old_address_takes_the_account_back(
    moved, ask_change, post, token, mailed, pushes, on_commit, audits
):
    """And drops the change that waits."""
    link = token("undo_email")
    ask_change("eve@example.org")
    mailed()
    with on_commit():
        assert post("/change_email/undo", token=link).status_code == 204
    user = User.objects.get()
    assert (user.email, user.email_canonical) == (ADDRESS, ADDRESS)
    assert not user.has_usable_password()
    assert not EmailChange.objects.exists()
    assert user.session_epoch == user.password_epoch == EPOCH + 1
    assert [each["reason"] for each in pushes] == ["email_change_undone"]
    assert mailed() == [("reset", ADDRESS)]
    assert audits("event")[-1] == ("sessions_ended",)
    found = {name for (name,) in audits("event")}
    assert found >= {"email_change_undone", "authn_password_change"}
    body = {"token": token("reset"), "new_password": NEW}
    assert post("/password_reset/confirm", **body).status_code == 204
    assert_refused(post("/change_email/undo", token=link), 400, "link_invalid")


ACTS = {
    "a password": ("post", "/change_password", {"new_password": NEW}),
    "another address": ("post", "/change_email", {"new_email": OTHER}),
    "a deletion": ("delete", "", {}),
    "a passkey": ("post", "/factors/passkeys/options", {}),
}


@pytest.mark.usefixtures("factor_site")
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("acr", ["aal1", "aal2"])
def test_a_session_that_it_has_ended_takes_no_account_without_a_password(
    moved, bearer, post, token, act, acr
):
    """Its end may reach Redis late. The mailed link would lose to what it does."""
    thief = bearer(sub=str(moved.pk), auth_time=int(time.time()), acr=acr)
    assert post("/change_email/undo", token=token("undo_email")).status_code == 204
    method, path, body = ACTS[act]
    answer = getattr(thief, method)(f"{ME}{path}", body)
    assert_refused(answer, 401, "token_revoked")
    body = {"token": token("reset"), "new_password": NEW}
    assert post("/password_reset/confirm", **body).status_code == 204
    assert User.objects.get().check_password(NEW)
    # Nor a way in once there is a password again.
    answer = thief.post(f"{ME}/factors/passkeys/options", {})
    assert_refused(answer, 401, "token_revoked")


def test_the_old_address_comes_back_in_its_own_case(ada, change, post, token):
    User.objects.filter(pk=ada.pk).update(email="Ada@Example.org")
    change(OTHER)
    assert post("/change_email/undo", token=token("undo_email")).status_code == 204
    assert User.objects.get().email == "Ada@Example.org"


def test_no_later_change_of_the_thief_stops_it(moved, post, token, session, bearer):
    """Another password, another address, a reset: the first owner wins."""
    link = token("undo_email")
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert post("/me/change_password", session, **body).status_code == 204
    post("/password_reset", email=OTHER)
    body = {"token": token("reset"), "new_password": PASSWORD}
    assert post("/password_reset/confirm", **body).status_code == 204
    later = bearer(sub=str(moved.pk), epoch=User.objects.get().session_epoch)
    body = {"new_email": "eve@example.org", "current_password": PASSWORD}
    assert post("/me/change_email", later, **body).status_code == 202
    body = {"token": token("change_email"), "password": PASSWORD}
    assert post("/change_email/confirm", **body).status_code == 204
    thiefs = token("undo_email")
    assert post("/change_email/undo", token=link).status_code == 204
    assert User.objects.get().email == ADDRESS
    # The one of the later change would bring the thief back.
    assert_refused(post("/change_email/undo", token=thiefs), 400, "link_invalid")
    assert {*Link.objects.filter(used_at=None).values_list("purpose", flat=True)} == {
        "reset"
    }


def test_a_later_undo_does_not_void_an_earlier_one(moved, post, token, change):
    link = token("undo_email")
    change("eve@example.org")
    assert post("/change_email/undo", token=token("undo_email")).status_code == 204
    assert User.objects.get().email == OTHER
    assert post("/change_email/undo", token=link).status_code == 204
    assert User.objects.get().email == ADDRESS


@pytest.mark.parametrize("is_logged_out", [False, True])
def test_a_deletion_by_the_thief_does_not_stop_it(
    moved, post, token, session, pushes, admin, is_logged_out
):
    """Who has the password could restore the account when the link is over. An operator
    may end all sessions meanwhile."""
    link = token("undo_email")
    deleted = session.delete("/api/v1/users/me", {"current_password": PASSWORD})
    assert deleted.status_code == 202
    if is_logged_out:
        assert act(admin, "end_sessions", moved)
    restoring = token("restore")
    assert post("/change_email/undo", token=link).status_code == 204
    user = User.objects.get(pk=moved.pk)
    assert (user.email, user.is_present, user.delete_after) == (ADDRESS, True, None)
    assert_refused(post("/restore", token=restoring), 400, "link_invalid")


def test_second_factors_that_a_thief_added_go(moved, post, token):
    """A passkey would log in without the password. The clock of the host that made the
    account may be ahead."""
    link = token("undo_email")
    with_factors(moved, "of the thief")
    Factor.objects.update(confirmed_at=moved.created_at - timedelta(minutes=1))
    assert post("/change_email/undo", token=link).status_code == 204
    assert not Factor.objects.exists()
    assert not RecoveryCode.objects.exists()
    removed = Event.objects.get(event="factor_removed")
    assert (removed.user_id, removed.data) == (moved.pk, {"type": "totp"})


@pytest.mark.usefixtures("verified", "factor_site")
@pytest.mark.parametrize("skew", [0, 60])
def test_a_passkey_that_waited_for_the_change_goes_too(
    ada, change, post, token, monkeypatch, skew
):
    """It was checked before the change, and saved after it, with the row locked. The
    clock of the host that made the change may be ahead."""
    key = Authenticator("https://memo.example", "memo.example")
    answer = key.create(registration.options(ada))
    passkey = registration.register(ada, answer, "of the thief")
    ahead = timezone.now() + timedelta(seconds=skew)
    with monkeypatch.context() as clock:
        clock.setattr(timezone, "now", lambda: ahead)
        change(OTHER)
    passkey.save()
    assert post("/change_email/undo", token=token("undo_email")).status_code == 204
    assert not Factor.objects.exists()


@pytest.mark.usefixtures("verified")
def test_recovery_codes_that_a_thief_has_replaced_go(moved, post, token, bearer):
    """The mail about them went to the thief. The factor of the owner stays."""
    link = token("undo_email")
    with_factors(moved, "of the owner")
    Factor.objects.update(confirmed_at=moved.created_at)
    thief = bearer(sub=str(moved.pk), acr="aal2")
    replaced = thief.post(f"{ME}/recovery_codes")
    [code, *_] = replaced.json()["recovery_codes"]
    assert post("/change_email/undo", token=link).status_code == 204
    assert not recovery_codes.use(moved.pk, code)
    assert [factor.name for factor in Factor.objects.all()] == ["of the owner"]


@pytest.mark.usefixtures("verified")
def test_those_from_before_stay(moved, post, token):
    link = token("undo_email")
    with_factors(moved, "of the owner")
    Factor.objects.update(confirmed_at=moved.created_at)
    Factor.objects.create(user=moved, name="of the thief", **TOTP)
    assert post("/change_email/undo", token=link).status_code == 204
    assert [factor.name for factor in Factor.objects.all()] == ["of the owner"]
    assert RecoveryCode.objects.exists()


@pytest.mark.usefixtures("verified")
def test_a_reset_of_the_factors_is_cancelled(moved, post, token, audits):
    """An operator was asked for it, and the mail that cancels it went to the thief."""
    resets.request(moved, "operator", "seen at the desk")
    keep = token("keep_factors")
    assert post("/change_email/undo", token=token("undo_email")).status_code == 204
    assert not FactorReset.objects.exists()
    assert ("factors_reset_cancelled",) in audits("event")
    assert_refused(post("/factors_reset/cancel", token=keep), 400, "link_invalid")


def test_an_operator_who_gives_the_address_back_leaves_the_thief_no_link(
    moved, post, token, change, admin
):
    change("eve@example.org")
    thiefs = token("undo_email")
    user = User.objects.get(pk=moved.pk)
    admin.post(change_url(user), fields(user, email=ADDRESS))
    assert_refused(post("/change_email/undo", token=thiefs), 400, "link_invalid")
    assert User.objects.get(pk=moved.pk).email == ADDRESS


@pytest.mark.parametrize("right", ["is_staff", "groups"])
def test_new_rights_are_not_for_the_mailbox_from_before(
    moved, post, token, admin, right
):
    """Its reader may be somebody who could not give them."""
    role = Role.objects.create(name="editor")
    sent = {right: [role.pk] if right == "groups" else "on"}
    link, user = token("undo_email"), User.objects.get(pk=moved.pk)
    assert not errors(admin.post(change_url(user), fields(user, **sent)))
    assert_refused(post("/change_email/undo", token=link), 400, "link_invalid")
    assert User.objects.get(pk=moved.pk).email == OTHER


def test_an_end_of_rights_leaves_the_link(moved, post, token, admin):
    """The operator may take them from a thief."""
    User.objects.filter(pk=moved.pk).update(is_staff=True)
    link, user = token("undo_email"), User.objects.get(pk=moved.pk)
    assert not errors(admin.post(change_url(user), fields(user, is_staff=None)))
    assert post("/change_email/undo", token=link).status_code == 204


def test_an_operator_who_gives_another_address_ends_what_waits(
    ask_change, session, ada, admin, mailed
):
    """Also if the worker has not mailed the link yet."""
    ask_change("eve@example.org")
    admin.post(change_url(ada), fields(ada, email=OTHER))
    assert "change_email" not in dict(mailed())
    assert session.get(ME).json()["pending_email"] is None


@pytest.mark.parametrize("act", ["deactivate", "soft_delete"])
def test_a_deactivation_stops_it(moved, post, token, act):
    link = token("undo_email")
    getattr(moved, act)()
    assert_refused(post("/change_email/undo", token=link), 400, "link_invalid")


# Reserved


def test_the_old_address_is_held_while_it_can_be_taken_back(
    moved, post, token, mailed, settings, admin, bearer
):
    bob = UserFactory()
    mailed()
    body = {"username": "eve", "email": ADDRESS.upper(), "password": PASSWORD}
    assert_refused(post("", **body), 409, "account_exists")
    body = {"new_email": ADDRESS, "current_password": PASSWORD}
    session = bearer(sub=str(bob.pk))
    assert post("/me/change_email", session, **body).status_code == 202
    assert mailed() == [("email_change_requested", bob.email)]
    saved = admin.post(change_url(bob), fields(bob, email=ADDRESS))
    assert "This e-mail address is taken." in errors(saved)
    settings.EMAIL_VERIFICATION = "required"
    assert post("", username="eve", email=ADDRESS).status_code == 202
    assert mailed() == []
    Link.objects.update(expires_at=timezone.now())
    assert post("", username="eve", email=ADDRESS).status_code == 202
    assert mailed() == [("register", ADDRESS)]


@pytest.mark.usefixtures("required")
def test_a_link_from_before_does_not_take_what_is_held(post, token, request, mailed):
    """A registration that was mailed before the address was held."""
    post("", username="eve", email=ADDRESS)
    early = token("register")
    request.getfixturevalue("moved")
    refused = post("/verify_email", token=early, password=NEW)
    assert_refused(refused, 400, "link_invalid")
    assert User.objects.count() == 1
    mailed()
    post("/verify_email/resend", email=ADDRESS)
    assert mailed() == []


def test_its_own_user_may_go_back_to_it(moved, change):
    """And leaves no link at the address between, which may be a thief's."""
    change(ADDRESS)
    assert User.objects.get().email == ADDRESS
    assert not Link.objects.filter(purpose="undo_email", used_at=None).exists()
