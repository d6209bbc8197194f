"""A test mail: whether the server takes it, and if not, what to do about it."""

import smtplib
import socket
import ssl

from django.conf import settings
from django.core.mail import EmailMessage

from users.mail.delivery import send

SUBJECT = "Memo: a test mail"
TEXT = "The mail server of your Memo took this mail, and it has arrived.\n"

# The first that fits: what is wrong, and a hint.
FAULTS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        ssl.SSLCertVerificationError,
        "the certificate of the server is not valid here",
        "MAIL_URL needs the name in it; SSL_CERT_FILE names a private CA.",
    ),
    (
        ssl.SSLError,
        "TLS does not begin",
        "Is the port right? 587 is for ?tls=starttls, 465 for ?tls=tls.",
    ),
    (
        smtplib.SMTPAuthenticationError,
        "the server refuses user or password",
        "See the user in MAIL_URL, and MAIL_PASSWORD.",
    ),
    (
        smtplib.SMTPSenderRefused,
        "the server refuses the sender",
        "Use an address in MAIL_FROM that this user of the server may send from.",
    ),
    (
        smtplib.SMTPRecipientsRefused,
        "the server refuses the recipient",
        "See the address; some servers accept mail only for their own domains.",
    ),
    (
        smtplib.SMTPDataError,
        "the server refuses the mail",
        "Its log says why: often SPF, DKIM or a limit.",
    ),
    (
        smtplib.SMTPNotSupportedError,
        "the server does not offer STARTTLS or AUTH",
        "Is it the right port? ?tls=tls is for 465.",
    ),
    (
        smtplib.SMTPServerDisconnected,
        "the server ended the connection, or did not answer in time",
        "Is the port right? 587 is for ?tls=starttls, 465 for ?tls=tls.",
    ),
    (socket.gaierror, "the server's name is not known", "See MAIL_URL and DNS."),
    (
        ConnectionRefusedError,
        "nothing listens there",
        "See host and port of MAIL_URL, and whether the server runs.",
    ),
    (
        TimeoutError,
        "the server does not answer in time",
        "See port and firewall. Many networks block 25; 465 is for ?tls=tls.",
    ),
    (smtplib.SMTPException, "the server refuses", "See its log."),
    (OSError, "the connection fails", "See MAIL_URL, and the network."),
)


def send_test_mail(address: str) -> tuple[str, str]:
    """What is wrong and a hint; both empty if the server has taken the mail."""
    try:
        send(EmailMessage(SUBJECT, TEXT, to=[address]))
    except Exception as exc:  # noqa: BLE001 - each MAIL_BACKEND raises its own
        return explain(exc)
    return "", ""


def explain(exc: Exception) -> tuple[str, str]:
    """The fault, with the number of the server's answer: its text may quote us."""
    for kind, fault, hint in FAULTS:
        if isinstance(exc, kind):
            code = code_of(exc)
            return (f"{fault} ({code})" if code else fault), hint
    return f"{settings.EMAIL_BACKEND} raises {type(exc).__name__}", "See its manual."


def code_of(exc: Exception) -> int:
    if isinstance(exc, smtplib.SMTPRecipientsRefused):
        return next(iter(exc.recipients.values()))[0]
    return getattr(exc, "smtp_code", 0)
