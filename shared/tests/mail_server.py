"""A real mail server in a process of its own (aiosmtpd): STARTTLS or TLS with a
certificate of a private CA, AUTH, and faults where a test wants them.

    with mail_server(folder) as server:
        server.fault("data-554")
        server.mails()

The process and the test share a folder: the file `fault` names what goes wrong, a file
`reached-...` says that it has, and each `mail-...` is one that was taken.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any

from aiosmtpd import smtp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "mailer@example.org", "S3cret-of-the-mailer"
ANSWERS = {
    "rcpt-451": "451 4.3.2 Try again later",
    "rcpt-550": "550 5.1.1 No such mailbox",
    "mail-550": "550 5.7.1 Sender refused",
    "data-451": "451 4.3.2 Try again later",
    "data-554": "554 5.7.1 Refused",
}


def certificate(folder: Path) -> tuple[Path, Path]:
    """A CA (`ca.pem`), and a certificate of it for `localhost`; the second is the chain
    with its key."""
    now, day = datetime.now(UTC), timedelta(days=1)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        for text in ("A private CA", "localhost")
    ]
    made = []
    for is_ca, key, name in zip((True, False), keys, names, strict=True):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(names[0])
        builder = builder.public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - day).not_valid_after(now + day)
        constraint = x509.BasicConstraints(ca=is_ca, path_length=None)
        builder = builder.add_extension(constraint, critical=True)
        if not is_ca:
            hosts = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(hosts, critical=False)
        found = builder.sign(keys[0], hashes.SHA256())
        made.append(found.public_bytes(serialization.Encoding.PEM))
    key_text = keys[1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "ca.pem").write_bytes(made[0])
    (folder / "server.pem").write_bytes(made[1] + key_text)
    return folder / "ca.pem", folder / "server.pem"


class Folder:
    """What the process and the test share."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> str:
        with suppress(FileNotFoundError):
            return (self.path / name).read_text()
        return ""

    def write(self, name: str, text: str) -> None:
        temporary = self.path / f".{name}"
        temporary.write_text(text)
        temporary.replace(self.path / name)


class Server(smtp.SMTP):
    """Cuts the connection while a mail is on its way."""

    async def smtp_DATA(self, arg: str) -> None:
        handler: Any = self.event_handler
        if handler.is_due(self.envelope, "data-cut"):
            await self.push("354 Go on")
            await self._reader.readuntil(b"\r\n")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class Handler:
    """Takes mails, but for the fault of the moment; where the recipient's address
    begins with the name of a fault, for that."""

    def __init__(self, folder: Folder) -> None:
        self.folder, self.numbers = folder, count(1)

    def is_due(self, envelope: Any, *names: str) -> bool:
        faults = {self.folder.read("fault")}
        faults |= {each.partition("@")[0] for each in envelope.rcpt_tos}
        faults -= {*self.folder.read("healed").split()}
        found = sorted(faults & {*names})
        if found:
            self.folder.write(f"reached-{found[0]}", "")
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
        self.store(server, session, envelope)
        await self.stall(envelope, "answer-stall", "settle")
        if self.is_due(envelope, "answer-cut"):
            server.transport.abort()
        return "250 OK"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        await self.stall(envelope, "quit-stall")
        return "221 Bye"

    def store(self, server: Any, session: Any, envelope: Any) -> None:
        found = {
            "to": envelope.rcpt_tos,
            "from": envelope.mail_from,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data,
            "content": envelope.content.decode("latin-1"),
        }
        self.folder.write(f"mail-{next(self.numbers):04}", json.dumps(found))


def authenticate(server: Any, session: Any, envelope: Any, how: str, data: Any) -> Any:
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return smtp.AuthResult(success=right, handled=False, auth_data=data.login.decode())


def serve(path: Path, tls: str) -> None:
    """The process, until it is ended. It writes its port."""
    folder, options = Folder(path), {}
    context = None
    if tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path / "server.pem")
        options = {"authenticator": authenticate, "auth_required": True}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    elif tls == "tls":
        options |= {"auth_require_tls": False}  # the port is encrypted already
    handler = Handler(folder)

    async def run() -> None:
        def factory() -> Server:
            return Server(handler, hostname="localhost", **options)

        loop = asyncio.get_running_loop()
        wrapped = context if tls == "tls" else None
        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=wrapped)
        folder.write("port", str(server.sockets[0].getsockname()[1]))
        await server.serve_forever()

    asyncio.run(run())


class MailServer(Folder):
    """The running server."""

    def __init__(self, path: Path, tls: str) -> None:
        super().__init__(path)
        self.tls = tls
        self.ca, _ = certificate(path)

    @property
    def settings(self) -> dict[str, str]:
        """Of a service that sends its mail here."""
        user = "" if self.tls == "none" else USER.replace("@", "%40") + "@"
        url = f"smtp://{user}localhost:{self.read('port')}?tls={self.tls}"
        found = {"MAIL_URL": url, "MAIL_FROM": "Memo <memo@example.org>"}
        secret = {"MAIL_PASSWORD": PASSWORD, "SSL_CERT_FILE": str(self.ca)}
        return found | (secret if user else {})

    def fault(self, name: str) -> None:
        """From now on; an empty name is none."""
        for path in self.path.glob("reached-*"):
            path.unlink()
        self.write("fault", name)

    def heal(self, *names: str) -> None:
        """These faults are over, for addresses too."""
        self.write("healed", " ".join([self.read("healed"), *names]))

    def reached(self) -> set[str]:
        """The faults that have happened."""
        found = self.path.glob("reached-*")
        return {path.name.removeprefix("reached-") for path in found}

    def envelopes(self) -> list[dict[str, Any]]:
        files = sorted(self.path.glob("mail-*"))
        return [json.loads(file.read_text()) for file in files]

    def mails(self) -> list[EmailMessage]:
        """What was taken, in its order."""
        return [
            message_from_bytes(each["content"].encode("latin-1"), policy=policy.default)
            for each in self.envelopes()
        ]


@contextmanager
def mail_server(path: Path, tls: str = "starttls") -> Iterator[MailServer]:
    """A server for as long as the block; its folder is `path`."""
    from deploy.tests.waiting import wait_until

    server = MailServer(path, tls)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(path), tls],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root)},
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: server.read("port"), 20, "start of the mail server")
        yield server
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
