"""Another password by a link in a mail."""

import pytest
from django.utils import timezone

from shared.auth import device_cookie
from tests.accounts.conftest import ADDRESS
from tests.factories import EPOCH, NEW, PASSWORD
from tests.guesses import device_of
from tests.refusals import assert_invalid, assert_refused
from users.accounts.models import EmailChange, Link
from users.models import User


@pytest.fixture
def reset_token(ada, post, token):
    assert post("/password_reset", email=ADDRESS).status_code == 202
    return token("reset")


def confirm(post, token, new=NEW):
    return post("/password_reset/confirm", token=token, new_password=new)


def test_a_reset_sets_the_password_and_ends_all(
    reset_token, post, ada, pushes, on_commit, audits, mailed
):
    device = device_of(ada)
    with on_commit():
        answer = confirm(post, reset_token)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not answer.cookies
    user = User.objects.get()
    assert user.check_password(NEW)
    assert user.session_epoch == user.password_epoch == EPOCH + 1
    reason = {"epoch": EPOCH + 1, "reason": "password_changed"}
    assert pushes == [{"user_ids": [str(user.pk)], **reason}]
    assert device_cookie.find(device, user) is None
    assert {"password_reset", "email_verified"} <= {each.event for each in audits()}
    assert mailed() == [("reset", ADDRESS), ("password_changed", ADDRESS)]
    assert_refused(confirm(post, reset_token), 400, "link_invalid")


def test_a_refused_password_leaves_the_link_good(reset_token, post, ada):
    for new, code in ((ADDRESS, "password_too_similar"), ("short", "min_length")):
        assert_invalid(confirm(post, reset_token, new), "new_password", code)
    assert User.objects.get().password == ada.password
    assert confirm(post, reset_token).status_code == 204


def test_using_one_link_voids_all_others(reset_token, post, token, ask_change):
    post("/verify_email/resend", email=ADDRESS)
    ask_change()
    others = [("/verify_email", token("verify"))]
    others.append(("/change_email/confirm", token("change_email")))
    post("/password_reset", email=ADDRESS)
    assert confirm(post, token("reset")).status_code == 204
    assert_refused(confirm(post, reset_token, PASSWORD), 400, "link_invalid")
    for path, other in others:
        refused = post(path, token=other, password=NEW)
        assert_refused(refused, 400, "link_invalid")
    assert not Link.objects.filter(used_at=None).exists()


@pytest.mark.parametrize("act", ["deactivate", "soft_delete", "end_sessions"])
def test_an_operator_voids_it(reset_token, post, ada, act):
    getattr(ada, act)()
    assert_refused(confirm(post, reset_token), 400, "link_invalid")
    assert User.objects.get().password == ada.password


def test_another_address_voids_it(reset_token, post, ada):
    ada.email = "other@example.org"
    ada.save()
    assert_refused(confirm(post, reset_token), 400, "link_invalid")


def test_no_mail_goes_where_there_is_no_account_to_reset(ada, post, mailed):
    for address in ("unknown@example.org", "ada"):
        post("/password_reset", email=address)
    assert mailed() == []
    ada.deactivate()
    mailed()
    post("/password_reset", email=ADDRESS)
    assert mailed() == []


@pytest.mark.parametrize("before", [None, timezone.now()])
def test_a_reset_verifies_the_address_and_drops_what_waits(
    ada, reset_token, post, ask_change, before
):
    User.objects.update(email_verified_at=before)
    ask_change()
    assert confirm(post, reset_token).status_code == 204
    user = User.objects.get()
    assert user.email_verified_at == before if before else user.email_verified
    assert not EmailChange.objects.exists()
