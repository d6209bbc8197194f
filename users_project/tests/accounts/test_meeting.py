"""Mailbox and password must meet: six ways to get into the account of a stranger by
their address, before they have one. The attacker must end without a session, a
password, a factor or a link.

The attacker knows a password and types addresses. The victim reads mails, clicks, and
chooses a password of their own.
"""

import pytest

from shared.api.exceptions import LinkInvalid
from tests.factories import EPOCH, UserFactory
from tests.factors.rows import tables_of, with_factors
from tests.refusals import assert_invalid, assert_refused
from users.accounts import links, registration
from users.accounts.models import EmailChange, Link, Purpose
from users.factors.models import Factor
from users.models import User

VICTIM, ATTACKER = "victim@example.org", "attacker@example.org"
THEIRS, MINE = "a password of the attacker", "the victim has chosen this"


@pytest.fixture(params=["off", "optional", "required"])
def mode(request, settings):
    settings.EMAIL_VERIFICATION = request.param
    return request.param


@pytest.fixture
def register(post):
    """Register the victim's address."""
    return lambda name, word: post("", username=name, email=VICTIM, password=word)


@pytest.fixture
def squatter():
    """The attacker's account with the victim's address, from before it was verified."""
    return UserFactory(email=VICTIM, username="attacker", password=THEIRS)


@pytest.fixture
def log_in(auth):
    """The status of a login with the victim's address."""
    path = "/api/v1/users/verify"
    return lambda word: auth.post(path, {"email": VICTIM, "password": word}).status_code


def take(token):
    """Whatever the link is for."""
    link = links.find(token, *Purpose)
    return links.take(link) if link.user else registration.finish(link, THEIRS)


def assert_out(log_in, old_links=()):
    """The account of the address is the victim's alone, or there is none."""
    assert log_in(THEIRS) == 401
    user = User.objects.filter(email=VICTIM).first()
    assert user is None or user.email_verified
    assert not EmailChange.objects.filter(user=user).exists()
    for token in old_links:
        with pytest.raises(LinkInvalid):
            take(token)


def test_the_attacker_moves_an_account_to_the_victims_address(
    post, bearer, token, log_in
):
    """And the victim clicks. The account stays where it was."""
    own = UserFactory(email=ATTACKER, password=THEIRS)
    body = {"new_email": VICTIM, "current_password": THEIRS}
    session = bearer(sub=str(own.pk))
    assert post("/me/change_email", session, **body).status_code == 202
    link = token("change_email")
    click = post("/change_email/confirm", token=link)
    assert_invalid(click, "password", "required")
    guess = post("/change_email/confirm", token=link, password=MINE)
    assert_refused(guess, 401, "invalid_credentials")
    own.refresh_from_db()
    assert own.email == ATTACKER
    assert_out(log_in)


def test_the_attacker_registers_first_and_the_victim_clicks(
    mode, post, register, run_jobs, token, log_in
):
    """What the click makes is the victim's, or it makes nothing."""
    register("attacker", THEIRS)
    if mode == "required":
        body = {"token": token("register"), "password": MINE}
        assert post("/verify_email", **body).status_code == 204
        assert log_in(MINE) == 200
        assert_out(log_in)
        return
    post("/verify_email/resend", email=VICTIM)
    link = token("verify")
    assert_invalid(post("/verify_email", token=link), "password", "required")
    wrong = post("/verify_email", token=link, password=MINE)
    assert_refused(wrong, 401, "invalid_credentials")
    assert not User.objects.get(email=VICTIM).email_verified


@pytest.mark.usefixtures("required")
def test_the_victim_registers_second(post, register, token, log_in):
    register("attacker", THEIRS)
    theirs = token("register")
    register("victim", MINE)
    body = {"token": token("register"), "password": MINE}
    assert post("/verify_email", **body).status_code == 204
    assert (log_in(MINE), User.objects.get().username) == (200, "victim")
    late = post("/verify_email", token=theirs, password=THEIRS)
    assert_refused(late, 400, "link_invalid")
    assert_out(log_in, [theirs])


@pytest.mark.usefixtures("required")
def test_the_victim_clicks_the_mail_of_the_attackers_registration(
    post, register, token, log_in
):
    """Having registered, too. The password is the one that is chosen at the click."""
    register("victim", MINE)
    own = token("register")
    register("attacker", THEIRS)
    body = {"token": token("register"), "password": MINE}
    assert post("/verify_email", **body).status_code == 204
    assert (log_in(MINE), User.objects.count()) == (200, 1)
    assert_out(log_in, [own])


def test_the_victim_resets_the_account_that_the_attacker_made(
    squatter, post, bearer, token, log_in
):
    """Nothing that was added before survives."""
    session = bearer(sub=str(squatter.pk))
    body = {"new_email": ATTACKER, "current_password": THEIRS}
    assert post("/me/change_email", session, **body).status_code == 202
    theirs = [token("change_email")]
    assert post("/password_reset", email=VICTIM).status_code == 202
    theirs.append(token("reset"))  # as if it had been read over a shoulder
    post("/password_reset", email=VICTIM)
    body = {"token": token("reset"), "new_password": MINE}
    assert post("/password_reset/confirm", **body).status_code == 204
    assert log_in(MINE) == 200
    assert User.objects.get().session_epoch == EPOCH + 1
    late = post("/change_email/confirm", session, token=theirs[0])
    assert_refused(late, 400, "link_invalid")
    assert_out(log_in, theirs)
    assert not Link.objects.filter(used_at=None).exists()


def test_the_victim_undoes_a_change_of_the_attackers_account(
    squatter, post, bearer, token, log_in
):
    """No passkey of the attacker logs in as the victim afterwards."""
    with_factors(squatter, "of the attacker")
    Factor.objects.update(confirmed_at=squatter.created_at)
    session = bearer(sub=str(squatter.pk), acr="aal2")
    body = {"new_email": ATTACKER, "current_password": THEIRS}
    assert post("/me/change_email", session, **body).status_code == 202
    confirmed = post("/change_email/confirm", session, token=token("change_email"))
    assert confirmed.status_code == 204
    assert post("/change_email/undo", token=token("undo_email")).status_code == 204
    assert tables_of(squatter)[:2] == [0, 0]
    assert_out(log_in)
