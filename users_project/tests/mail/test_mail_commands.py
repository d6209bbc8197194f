"""The newest mail of development, the test mail of `doctor`, and mails that wait."""

from datetime import timedelta

import pytest
from django.core.mail import send_mail
from django.core.management import CommandError, call_command
from django.utils import timezone

from users.diagnostics import waiting_mails
from users.mail.delivery import deliver
from users.mail.message import url_of
from users.mail.models import Mail


@pytest.fixture
def folder(settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    return settings.EMAIL_FILE_PATH


def printed(capsys, *words):
    call_command(*words)
    return capsys.readouterr().out


def test_the_newest_mail_is_printed_or_its_link(folder, reset_mail, bob, capsys):
    first, second = reset_mail(), reset_mail()
    for mail in (first, second):
        deliver(mail.pk)
    text = printed(capsys, "mail")
    assert text.startswith(
        "To: Bob@Example.org\nSubject: Neues Passwort wählen\nDate: "
    )
    assert "Wenn Sie das nicht waren" in text
    link = printed(capsys, "mail", "--link").strip()
    assert link == url_of(second.link)
    assert link in text


def test_the_last_of_several_mails_in_one_file_is_the_newest(folder, capsys):
    send_mail("First", "", None, ["ada@example.org"])
    [file] = folder.iterdir()
    send_mail("Second", "", None, ["ada@example.org"])
    *_, last = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    file.write_bytes(file.read_bytes() + last.read_bytes())
    assert "Subject: Second" in printed(capsys, "mail")


def test_without_a_mail_or_a_link_the_command_fails(folder, settings, bob):
    with pytest.raises(CommandError, match="There is no mail"):
        call_command("mail")
    settings.ACCOUNT_PAGES = False
    bob.deactivate()
    deliver(Mail.objects.get().pk)
    with pytest.raises(CommandError, match="has no link"):
        call_command("mail", "--link")


def test_a_test_mail_arrives(server, capsys):
    text = printed(capsys, "testmail", "ada@example.org")
    port = server.port
    assert text == f"ok    mail.test           localhost:{port} takes a test mail\n"
    [mail] = server.mails()
    assert mail["To"] == "ada@example.org"


@pytest.mark.parametrize(
    ("fault", "change", "expected"),
    [
        ("rcpt-550", {}, "SMTPRecipientsRefused: {'ada@example.org': (550,"),
        ("", {"EMAIL_PORT": 1}, "ConnectionRefusedError: [Errno 111]"),
        ("", {"EMAIL_HOST": "no.such.invalid"}, "gaierror: [Errno -"),
        ("", {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": True}, "SSLError: [SSL: "),
        ("", {"EMAIL_HOST_PASSWORD": "x"}, "SMTPAuthenticationError: 535 ->"),
        ("", {"EMAIL_BACKEND": "tests.mail.test_delivery.Broken"}, "KeyError ->"),
    ],
)
def test_a_test_mail_says_what_is_wrong(
    server, settings, capsys, fault, change, expected
):
    """One line, with a hint; exit status 3."""
    for name, value in change.items():
        setattr(settings, name, value)
    server.fault(fault)
    with pytest.raises(SystemExit) as caught:
        call_command("testmail", "ada@example.org")
    assert caught.value.code == 3
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("WRONG mail.test")
    assert f" takes a test mail: {expected}" in line
    assert line.endswith(" -> See docs/mail.md#a-test-mail-that-fails.")


def test_a_test_mail_needs_an_address(server, capsys):
    with pytest.raises(SystemExit):
        call_command("testmail", "notanaddress")
    said = capsys.readouterr().out
    assert " takes a test mail: 'notanaddress' is no e-mail address in ASCII ->" in said
    assert server.mails() == []


def test_without_mail_the_test_says_so(settings, capsys):
    settings.MAIL_ENABLED = False
    with pytest.raises(SystemExit):
        call_command("testmail", "ada@example.org")
    assert "MAIL_URL is not set ->" in capsys.readouterr().out


def test_doctor_names_mails_that_wait(reset_mail):
    mail = reset_mail()
    assert waiting_mails() == ""
    late = timezone.now() - timedelta(minutes=6)
    Mail.objects.update(created_at=late, last_error="TimeoutError")
    assert waiting_mails() == "1 wait (TimeoutError)"
    for done in ("sent_at", "failed_at"):
        Mail.objects.filter(pk=mail.pk).update(
            **{"sent_at": None, "failed_at": None, done: late}
        )
        assert waiting_mails() == ""
