"""The stack's services once more, as in production: over TLS, under names of a domain.

The databases and keys are those of the stack; the services and the gateway are others,
since whether a cookie is Secure is settled when they start.
"""

import mimetypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.tests.extra_services import running
from deploy.tests.stack import ROOT, SERVICES, System
from nginx.tests.certificates import self_signed
from nginx.tests.gateway_stack import free_ports, running_gateway
from nginx.tests.stub_service import Stub, StubHandler

EXAMPLES = ROOT / "docs" / "examples"
DOMAIN = "memo.example"
GATEWAY, APP, SIBLING, ELSEWHERE = (
    f"auth.{DOMAIN}", f"app.{DOMAIN}", f"other.{DOMAIN}", "evil.example",
)  # fmt: skip


@dataclass(frozen=True)
class TlsStack:
    """Where its gateway is, where pages of others are, and who has signed for both."""

    port: int
    pages: int
    certificate: Path

    @property
    def origin(self) -> str:
        return f"https://{GATEWAY}:{self.port}"

    def page(self, host: str) -> str:
        """An empty page of a host that is not the gateway's."""
        return f"https://{host}:{self.pages}/"


@contextmanager
def tls_stack(
    system: System, folder: Path, *, verification: str = "required", **gateway: str
) -> Iterator[TlsStack]:
    """Up as long as the block lasts. Users register by mail, or without one. `gateway`
    are further settings of the gateway."""
    chain, key = self_signed(folder, "localhost", GATEWAY, f"*.{DOMAIN}", ELSEWHERE)
    env = {
        "GATEWAY_TLS_CERTIFICATE": str(chain),
        "GATEWAY_TLS_CERTIFICATE_KEY": str(key),
        "GATEWAY_SERVER_NAMES": f"{GATEWAY},localhost",
        **gateway,
    }
    with ExitStack() as stack:
        others = stack.enter_context(other_pages(chain, key))
        pages = others.server_address[1]
        ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        settings = {
            "COOKIE_SECURE": "true",
            "ALLOWED_HOSTS": f"{GATEWAY},localhost",
            "CORS_ALLOWED_ORIGINS": f"https://{APP}:{pages}",
            "AUTH_SERVICE_URL": f"http://127.0.0.1:{ports['auth']}",
            "USERS_SERVICE_URL": f"http://127.0.0.1:{ports['users']}",
            "WEB_CONCURRENCY": "1",
            "EMAIL_VERIFICATION": verification,
        }
        for service, port in ports.items():
            own = str(system.state / "env" / f"{service}.env")
            more = {**settings, "BIND": f"127.0.0.1:{port}", "ENV_FILE": own}
            project = ROOT / f"{service}_project"
            stack.enter_context(running(service, project, more))
        upstreams = [f"--upstream={name}=127.0.0.1:{p}" for name, p in ports.items()]
        nginx = stack.enter_context(running_gateway(folder, env, *upstreams))
        running_stack = TlsStack(nginx.port, pages, chain)
        others.answer = partial(answer_page, running_stack.origin)
        yield running_stack


@contextmanager
def other_pages(certificate: Path, key: Path) -> Iterator[Stub]:
    """A server of pages that are not the gateway's, at every name."""
    with Stub("pages") as server:
        server.use_tls(certificate, key)
        yield server
        server.shutdown()


def answer_page(api: str, page: StubHandler) -> None:
    """The front end of the documentation, which calls `api`; else an empty page."""
    file = EXAMPLES / Path(page.path).name
    kind, body = "text/html", ""
    if file.is_file():
        kind = mimetypes.guess_type(file.name)[0] or kind
        body = file.read_text().replace('content=""', f'content="{api}"')
    page.reply(200, {"Content-Type": kind}, body.encode())
