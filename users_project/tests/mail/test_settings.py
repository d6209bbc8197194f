"""Settings of mail and of its links: what they become, and what stops the start."""

import os
import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from shared.env import Env
from shared.mail_url import parse_mail_url
from tests.settings_reader import read_settings

SECRET = "S3cret"
GOOD = {
    "MAIL_URL": "smtp://user%40host@mail.example:587?tls=starttls",
    "MAIL_PASSWORD": SECRET,
    "MAIL_FROM": "Memo <memo@memo.example>",
}
PAGES = ("VERIFY", "RESET", "EMAIL", "EMAIL_UNDO", "RESTORE", "ENROL", "KEEP_FACTORS")
FRONT_END = {
    f"ACCOUNT_URL_{page}": f"https://app.example/{page}#{{token}}" for page in PAGES
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 587, "", "starttls")),
        ("smtp://a%40b@mail.example/", ("mail.example", 587, "a@b", "starttls")),
        ("smtp://a@mail.example:2525?tls=tls", ("mail.example", 2525, "a", "tls")),
        ("smtp://mail.example?tls=tls", ("mail.example", 465, "", "tls")),
        ("smtp://[::1]?tls=none", ("::1", 25, "", "none")),
    ],
)
def test_a_url_names_a_server(text, expected):
    assert parse_mail_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "mail.example:587",
        "smtps://mail.example",
        "smtp://",
        "smtp://mail.example/path",
        "smtp://mail.example?tls=maybe",
        "smtp://mail.example?tls=",
        "smtp://mail.example?ssl=true",
        f"smtp://mail.example:{SECRET}",
        f"smtp://user:{SECRET}@mail.example",
        "smtp://[mail.example",
    ],
)
def test_another_url_is_refused_by_name_and_not_quoted(text, monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "MAIL_URL", text)
    with pytest.raises(ImproperlyConfigured, match=r"^MAIL_URL must ") as caught:
        Env(tmp_path).mail_server("MAIL_URL")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["memo", "a@b.example, c@d.example", "Memo <>", "a@b.example\nBcc: c@d.de"]
)
def test_a_sender_is_one_address(text, monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "MAIL_FROM", text)
    with pytest.raises(ImproperlyConfigured, match=r"^MAIL_FROM must "):
        Env(tmp_path).sender("MAIL_FROM")


@pytest.mark.parametrize(
    ("env", "refusal"),
    [
        (GOOD | {"MAIL_FROM": "memo"}, "MAIL_FROM must be"),
        (
            {"MAIL_URL": GOOD["MAIL_URL"]},
            "These settings are missing: MAIL_FROM, MAIL_PASSWORD.",
        ),
        ({"MAIL_BACKEND": "a.B"}, "These settings are missing: MAIL_FROM."),
        ({"SSL_CERT_FILE": "/nowhere"}, "SSL_CERT_FILE must name a file."),
        (
            {"ACCOUNT_PAGES": "false"},
            f"These settings are missing: {', '.join(FRONT_END)}.",
        ),
        (
            {"ACCOUNT_URL_RESET": "https://app.example/"},
            "ACCOUNT_URL_RESET must be a URL with {token} in it once.",
        ),
        (
            {"ACCOUNT_URL_EMAIL": "https://app.example/{token}{token}"},
            "ACCOUNT_URL_EMAIL must be a URL with {token} in it once.",
        ),
        ({"ACCOUNT_URL_EMAIL": "app/{token}"}, "ACCOUNT_URL_EMAIL must be a URL"),
        ({"EMAIL_VERIFICATION": "maybe"}, "must be one of: off, optional, required"),
        (
            {"EMAIL_VERIFICATION": "required", "ENVIRONMENT": "production"},
            "EMAIL_VERIFICATION needs MAIL_URL",
        ),
    ],
)
def test_what_is_wrong_stops_the_start_by_name(env, refusal):
    with pytest.raises(ImproperlyConfigured, match=re.escape(refusal)):
        read_settings(**env)


def test_a_server_with_starttls():
    found = read_settings(**GOOD)
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example", 587)
    assert found["EMAIL_HOST_USER"] == "user@host"
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (True, False)
    assert found["EMAIL_TIMEOUT"] == 10
    assert found["DEFAULT_FROM_EMAIL"] == GOOD["MAIL_FROM"]


def test_without_a_server_development_writes_files():
    assert read_settings()["EMAIL_BACKEND"].endswith("filebased.EmailBackend")


@pytest.mark.parametrize(
    ("environment", "env", "expected"),
    [
        ("development", {}, ("off", True)),
        ("development", GOOD, ("optional", True)),
        ("production", {}, ("off", False)),
        ("production", GOOD, ("required", True)),
    ],
)
def test_mail_and_environment_decide_on_verification(environment, env, expected):
    found = read_settings(ENVIRONMENT=environment, **env)
    assert (found["EMAIL_VERIFICATION"], found["MAIL_ENABLED"]) == expected


def test_links_lead_to_our_pages_or_to_those_of_a_front_end():
    public = "https://memo.example"
    assert read_settings(PUBLIC_URL=f"{public}/")["ACCOUNT_URLS"] == {
        "verify": f"{public}/account/verify?token={{token}}",
        "reset": f"{public}/account/reset?token={{token}}",
        "email": f"{public}/account/email?token={{token}}",
        "email_undo": f"{public}/account/email/undo?token={{token}}",
        "restore": f"{public}/account/restore?token={{token}}",
        "enrol": f"{public}/account/factors/enrol?token={{token}}",
        "keep_factors": f"{public}/account/factors/keep?token={{token}}",
    }
    found = read_settings(ACCOUNT_PAGES="false", **FRONT_END)["ACCOUNT_URLS"]
    assert list(found.values()) == list(FRONT_END.values())
