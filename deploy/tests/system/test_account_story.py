"""The life of an account, from its registration to its erasure, with every mail of it:
through the gateway, the worker and a real mail server (STARTTLS, AUTH).
"""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
import requests

from deploy.tests.client import ME, TestUser, assert_revoked, code_of
from deploy.tests.stack import System, wait_until
from shared.tests.mail_server import MailServer, mail_server

USERS = "/api/v1/users"
# Subjects in English and German, and the page that a link of it leads to.
MAILS = {
    "register": (
        "Finish your registration",
        "Schließen Sie Ihre Registrierung ab",
        "verify",
    ),
    "email_change_requested": (
        "Your e-mail address is about to change",
        "Ihre E-Mail-Adresse soll geändert werden",
        "reset/request",
    ),
    "change_email": (
        "Confirm your new e-mail address",
        "Bestätigen Sie Ihre neue E-Mail-Adresse",
        "email",
    ),
    "email_changed": (
        "Your e-mail address was changed",
        "Ihre E-Mail-Adresse wurde geändert",
        "email/undo",
    ),
    "reset": ("Choose a new password", "Neues Passwort wählen", "reset"),
    "password_changed": (
        "Your password was changed",
        "Ihr Passwort wurde geändert",
        "reset/request",
    ),
    "new_device": (
        "New login to your account",
        "Neue Anmeldung bei Ihrem Konto",
        "reset/request",
    ),
    "deletion": ("Your account was deleted", "Ihr Konto wurde gelöscht", "restore"),
    "restored": (
        "Your account was restored",
        "Ihr Konto wurde wiederhergestellt",
        "reset/request",
    ),
}
OLDER = "UPDATE users_user SET created_at = now() - interval '2 h' WHERE username = %s"
LINK = re.compile(r"^(https?://\S+)/account/([a-z/]+)(?:\?token=(\S+))?$", re.M)


class Mailbox:
    """What a mail server has taken, in one language."""

    def __init__(self, server: MailServer, system: System, language: int) -> None:
        self.server, self.system, self.language = server, system, language
        self.read = len(server.envelopes())

    def expect(self, *kinds_and_addresses: tuple[str, str]) -> str:
        """These mails have come since the last call, and no other; the token of the
        last link."""
        count = self.read + len(kinds_and_addresses)
        wait_until(lambda: len(self.server.envelopes()) >= count, 30, "the mails")
        found = self.server.mails()[self.read :]
        self.read += len(found)
        by_subject = {(mail["Subject"], mail["To"]): mail for mail in found}
        expected = [(MAILS[kind], to) for kind, to in kinds_and_addresses]
        named = {(mail[self.language], to) for mail, to in expected}
        assert by_subject.keys() == named
        tokens = [
            self.token(by_subject[mail[self.language], to], mail[2])
            for mail, to in expected
        ]
        return next(filter(None, tokens), "")

    def token(self, mail: EmailMessage, page: str) -> str:
        body: Any = mail.get_body(("plain",))
        [(site, found, token)] = LINK.findall(body.get_content().replace("\r", ""))
        assert (site, found) == (self.system.gateway_url, page)
        return str(token)


@pytest.fixture(scope="module")
def server(system, tmp_path_factory) -> Iterator[MailServer]:
    with mail_server(tmp_path_factory.mktemp("mails")) as server:
        settings = {**server.settings, "EMAIL_VERIFICATION": "required"}
        with system.with_settings(users=settings):
            yield server


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_life_of_an_account(system, server, language):
    ada = TestUser(system)
    box = Mailbox(server, system, ["en", "de"].index(language))
    spoken = {"Accept-Language": language}

    def post(path: str, expected: int, **body: str) -> requests.Response:
        answer = ada.post(f"{USERS}/{path}", json=body)
        assert answer.status_code == expected, answer.text
        return answer

    # Registration: nothing is there until the link is used, which a scanner does not.
    names = {"username": ada.name, "email": ada.email, "password": ada.password}
    answer = ada.post(f"{USERS}/", json=names, headers=spoken)
    assert answer.status_code == 202
    token = box.expect(("register", ada.email))
    assert code_of(ada.log_in()) == "invalid_credentials"
    for method in ("HEAD", "GET") * 5:
        page = ada.send(method, f"/account/verify?token={token}", {})
        assert page.status_code == 200
    post("verify_email", 204, token=token, password=ada.password)
    assert code_of(post("verify_email", 400, token=token, password=ada.password))
    assert ada.log_in().ok
    me = ada.me().json()
    assert (me["email_verified"], me["locale"]) == (True, language)

    # Another address, and back.
    old, new = ada.email, f"{ada.name}@example.net"
    body = {"new_email": new, "current_password": ada.password}
    assert ada.call("POST", f"{ME}/change_email", json=body).status_code == 202
    token = box.expect(("change_email", new), ("email_change_requested", old))
    post("change_email/confirm", 204, token=token, password=ada.password)
    undo = box.expect(("email_changed", old))
    assert ada.me().json()["email"] == new
    post("change_email/undo", 204, token=undo)
    assert_revoked(ada)
    token = box.expect(("reset", old))
    assert code_of(ada.log_in()) == "invalid_credentials"

    # A new password, and a device that has none of ours.
    ada.password = f"another {ada.password}"
    post("password_reset/confirm", 204, token=token, new_password=ada.password)
    box.expect(("password_changed", old))
    system.query("users", OLDER, ada.name, role="owner")
    assert ada.log_in().ok
    box.expect(("new_device", old))

    # Deleted, restored, deleted, erased.
    assert ada.delete().status_code == 202
    token = box.expect(("deletion", old))
    assert code_of(ada.log_in()) == "invalid_credentials"
    post("restore", 204, token=token)
    box.expect(("restored", old))
    assert ada.log_in().ok
    box.expect(("new_device", old))
    assert ada.delete().status_code == 202
    token = box.expect(("deletion", old))
    ada.be_erased()
    assert code_of(post("restore", 400, token=token)) == "link_invalid"
    assert len(server.envelopes()) == box.read
