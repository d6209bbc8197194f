import pytest
from django.conf import settings as django_settings

from shared.mail_url import parse_mail_url
from shared.tests.mail_server import PASSWORD, mail_server
from tests.factories import UserFactory
from users.accounts.links import issue
from users.accounts.models import Purpose
from users.mail import delivery, outbox
from users.mail.models import Kind


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """Calls return the server with this kind of TLS, which runs until the end."""
    running, ends = {}, []

    def server(tls):
        if tls not in running:
            ends.append(mail_server(tmp_path_factory.mktemp(f"mail-{tls}"), tls))
            running[tls] = ends[-1].__enter__()
        return running[tls]

    yield server
    for each in ends:
        each.__exit__(None, None, None)


@pytest.fixture
def use(servers, settings, monkeypatch):
    """Calls make the service send its mail to the server with this kind of TLS, which
    is without mails and faults."""

    def change(tls="starttls"):
        server = servers(tls)
        server.taken.clear()
        server.fault("")
        url = parse_mail_url(server.settings["MAIL_URL"])
        settings.MAIL_SERVER = url
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_HOST_USER, _ = url
        settings.EMAIL_HOST_PASSWORD = PASSWORD if url.user else ""
        settings.EMAIL_USE_TLS = url.tls == "starttls"
        settings.EMAIL_USE_SSL = url.tls == "tls"
        settings.EMAIL_TIMEOUT = 1
        monkeypatch.setattr(delivery, "ANSWER_TIMEOUT", 1)
        settings.DEFAULT_FROM_EMAIL = server.settings["MAIL_FROM"]
        settings.MAIL_REPLY_TO = "help@example.org"
        settings.PUBLIC_URL = "https://memo.example"
        settings.ACCOUNT_URLS = {
            name: f"https://memo.example/account/{name}?token={{token}}"
            for name in django_settings.ACCOUNT_URLS
        }
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        return server

    return change


@pytest.fixture
def server(use):
    return use()


@pytest.fixture
def bob():
    return UserFactory(email="Bob@Example.org", username="bob", locale="de")


@pytest.fixture
def reset_mail(bob):
    """Calls queue a mail with a link to Bob, or to another."""

    def queue(user=bob, purpose=Purpose.RESET, kind=Kind.RESET):
        link = issue(purpose, address=user.email_canonical, user=user)
        address, locale = user.email, user.locale
        return outbox.queue(kind, address, locale=locale, user=user, link=link)

    return queue


def state(mail):
    """Whether it was sent, whether it has failed, and why."""
    mail.refresh_from_db()
    return bool(mail.sent_at), bool(mail.failed_at), mail.last_error
