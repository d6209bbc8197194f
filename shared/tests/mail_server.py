"""A real mail server (aiosmtpd) in a thread: STARTTLS or TLS with a certificate that no
public CA has signed, AUTH, and faults where a test wants them.

    with mail_server(folder) as server:
        server.fault("data-554")
        server.mails()
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd import smtp

from nginx.tests.certificates import self_signed

USER, PASSWORD = "mailer@example.org", "S3cret-of-the-mailer"
ANSWERS = {
    "rcpt-451": "451 4.3.2 Try again later",
    "rcpt-550": "550 5.1.1 No such mailbox",
    "mail-550": "550 5.7.1 Sender refused",
    "data-451": "451 4.3.2 Try again later",
    "data-554": "554 5.7.1 Refused",
}


class Connection(smtp.SMTP):
    """Cuts the connection while a mail is on its way."""

    async def smtp_DATA(self, arg: str) -> None:
        server: Any = self.event_handler
        if server.is_due(self.envelope, "data-cut"):
            await self.push("354 Go on")
            await self._reader.readuntil(b"\r\n")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class MailServer:
    """Takes mails, but for the fault of the moment; where the recipient's address
    begins with the name of a fault, for that."""

    def __init__(self, path: Path, tls: str) -> None:
        self.path, self.tls, self.port = path, tls, 0
        self.ca, self.key = self_signed(path, "localhost")
        self.current, self.healed = "", set[str]()
        self.happened = set[str]()
        self.taken: list[dict[str, Any]] = []

    @property
    def settings(self) -> dict[str, str]:
        """Of a service that sends its mail here."""
        user = "" if self.tls == "none" else USER.replace("@", "%40") + "@"
        url = f"smtp://{user}localhost:{self.port}?tls={self.tls}"
        found = {"MAIL_URL": url, "MAIL_FROM": "Memo <memo@example.org>"}
        secret = {"MAIL_PASSWORD": PASSWORD, "SSL_CERT_FILE": str(self.ca)}
        return found | (secret if user else {})

    def fault(self, name: str) -> None:
        """From now on; an empty name is none."""
        self.happened.clear()
        self.current = name

    def heal(self, *names: str) -> None:
        """These faults are over, for addresses too."""
        self.healed |= {*names}

    def reached(self) -> set[str]:
        """The faults that have happened."""
        return {*self.happened}

    def envelopes(self) -> list[dict[str, Any]]:
        return [*self.taken]

    def mails(self) -> list[EmailMessage]:
        """What was taken, in its order."""
        return [
            message_from_bytes(each["content"], policy=policy.default)
            for each in self.envelopes()
        ]

    # ---- In the thread ---------------------------------------------------------------

    def is_due(self, envelope: Any, *names: str) -> bool:
        faults = {self.current} | {each.partition("@")[0] for each in envelope.rcpt_tos}
        found = sorted((faults - self.healed) & {*names})
        self.happened |= {*found[:1]}
        return bool(found)

    async def stall(self, envelope: Any, *names: str) -> None:
        """Until the fault is over."""
        while self.is_due(envelope, *names):
            await asyncio.sleep(0.05)

    def answer(self, envelope: Any, *names: str) -> str:
        """The answer of the fault that is due, or an empty string."""
        return next((ANSWERS[x] for x in names if self.is_due(envelope, x)), "")

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.tls != "none" and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return self.answer(envelope, "mail-550") or "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        envelope.rcpt_tos.append(address)
        await self.stall(envelope, "stall")
        return self.answer(envelope, "rcpt-451", "rcpt-550") or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if refusal := self.answer(envelope, "data-451", "data-554"):
            return refusal
        await self.stall(envelope, "data-stall")
        if session.peer is None or server.transport.is_closing():
            return "451 The client has left"
        self.taken.append(
            {
                "to": envelope.rcpt_tos,
                "from": envelope.mail_from,
                "tls": server.transport.get_extra_info("ssl_object") is not None,
                "user": session.auth_data,
                "content": envelope.content,
            }
        )
        await self.stall(envelope, "answer-stall", "settle")
        if self.is_due(envelope, "answer-late"):
            await asyncio.sleep(1.5)
        if self.is_due(envelope, "answer-cut"):
            server.transport.abort()
        return "250 OK"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        await self.stall(envelope, "quit-stall")
        return "221 Bye"


def authenticate(server: Any, session: Any, envelope: Any, how: str, data: Any) -> Any:
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return smtp.AuthResult(success=right, handled=False, auth_data=data.login.decode())


async def end_connections() -> None:
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for each in connections:
        each.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


@contextmanager
def mail_server(path: Path, tls: str = "starttls") -> Iterator[MailServer]:
    """A server for as long as the block; its folder is `path`."""
    logging.getLogger("mail.log").disabled = True
    server, options = MailServer(path, tls), {}
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.ca, server.key)
    if tls != "none":
        options = {"authenticator": authenticate}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    elif tls == "tls":
        options |= {"auth_require_tls": False}  # the port is encrypted already
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(
        loop.create_server(
            lambda: Connection(server, hostname="localhost", loop=loop, **options),
            "127.0.0.1",
            ssl=context if tls == "tls" else None,
        )
    )
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        listening.close()
        loop.run_until_complete(end_connections())
        loop.close()
