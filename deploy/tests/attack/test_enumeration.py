"""A client that only asks never learns who has an account (PWD-06, REG-03). What is
measured of the time that a response takes is in `timing`."""

import pytest

from deploy.tests.attack.target import AttackUser
from deploy.tests.client import LOGIN, REGISTER, refused, same_but_for_the_id

WRONG = "Wrong-horse-1"
LINKS = ("verify_email", "change_email/confirm", "change_email/undo")
LINKS += ("factors_reset/cancel",)


def test_an_unknown_name_and_a_wrong_password_are_alike(target, user):
    """Byte by byte, for the e-mail address and for the username."""
    both = (user, AttackUser(target))
    names = [{"email": each.email} for each in both]
    names += [{"username": each.name} for each in both]
    bodies = [{"password": WRONG, **name} for name in names]
    responses = [target.ask("POST", LOGIN, json_body=body) for body in bodies]
    for response in responses:
        refused(response, 401, "invalid_credentials")
        assert not response.all("Set-Cookie")
    assert same_but_for_the_id(*responses)


def test_a_taken_address_and_a_taken_name_are_alike(target, user):
    """A 409 shows that something is taken (REG-03 gives the reason), not which."""
    email = AttackUser(target).register(email=user.email)
    username = AttackUser(target).register(username=user.name)
    for response in (email, username, both := user.register()):
        refused(response, 409, "account_exists")
        assert user.email not in response.text
    assert same_but_for_the_id(email, username, both)
    # What else is wrong is answered before the name is looked up.
    taken = user.register(password="short")
    free = AttackUser(target).register(password="short")
    refused(taken, 400, "validation_error")
    assert same_but_for_the_id(taken, free)


@pytest.mark.parametrize("path", ["password_reset", "verify_email/resend"])
def test_who_asks_for_a_mail_learns_of_no_account(target, user, path):
    emails = (user.email, AttackUser(target).email, user.email.upper())
    answers = [
        target.ask("POST", f"{REGISTER}{path}", json_body={"email": each})
        for each in emails
    ]
    assert {each.status_code for each in answers} == {202}
    assert same_but_for_the_id(*answers)


def test_a_link_of_another_is_like_one_that_never_was(target, user):
    for token in ("x", "A" * 64, user.name):
        for path in LINKS:
            body = {"token": token}
            answer = target.ask("POST", f"{REGISTER}{path}", json_body=body)
            refused(answer, 400, "link_invalid")
