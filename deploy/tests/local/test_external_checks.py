"""`doctor` from outside, of a site that answers what a test wants: what needs https,
and what our own gateway would never do."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy import smoke_test
from deploy.local import doctor, external_checks
from deploy.local.external_checks import cookie, examine, plain_http
from deploy.local.setup.files import write_private
from deploy.local.setup.layout import Layout
from deploy.local.setup.site import Site
from nginx.tests.certificates import self_signed
from nginx.tests.stub_service import Stub

PLAIN = "refresh_token=; Max-Age=0; Path=/api/v1/auth; SameSite=Strict; HttpOnly"
SECURE = f"__Secure-{PLAIN}; Secure"
Pair = tuple[Path, Path]


@contextmanager
def serving(
    headers: Mapping[str, str], certificate: Pair | None = None, status: int = 401
) -> Iterator[int]:
    with Stub("site") as stub:
        stub.answer = lambda handler: handler.reply(status, headers)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            stub.socket = context.wrap_socket(stub.socket, server_side=True)
        yield stub.server_address[1]
        stub.shutdown()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.mark.parametrize(
    ("url", "line", "fault"),
    [
        ("http://localhost", PLAIN, ""),
        ("http://memo.example", PLAIN, "secure"),
        ("https://memo.example", SECURE, ""),
        ("https://memo.example", SECURE.replace("__Secure-", ""), "secure"),
        ("https://memo.example", SECURE.replace("; HttpOnly", ""), "httponly"),
        ("https://memo.example", SECURE.replace("Strict", "Lax"), "samesite=strict"),
        ("https://memo.example", SECURE.replace("/auth", ""), "path=/api/v1/auth"),
        ("https://memo.example", f"{SECURE}; Domain=memo.example", "domain"),
    ],
)
def test_the_refresh_cookie_is_what_its_address_asks_for(
    url: str, line: str, fault: str
) -> None:
    """COOK-01. Behind a proxy that ends TLS the gateway itself is asked in plain."""
    with serving({"Set-Cookie": line}) as port:
        assert cookie(Site(url, port=port, tls=False)) == fault


def test_a_gateway_that_lets_everything_in_is_found() -> None:
    """S2S-02, COOK-01."""
    with serving({}, status=200) as port:
        lines = list(examine(Site("http://localhost", port=port)))
    wrong = [line.split()[2] for line in lines if line.startswith("WRONG gateway:")]
    assert wrong == ["internal", "cookie"]
    internal = next(line for line in lines if " internal " in line)
    assert all(route in internal for _, route in external_checks.INTERNAL[:3])


def test_a_certificate_of_an_unknown_issuer_is_no_answer(certificate: Pair) -> None:
    """Nothing else is examined then."""
    with serving({}, certificate) as port:
        [found] = examine(Site(f"https://localhost:{port}"))
    assert found.startswith("WRONG gateway: reached")
    assert "CERTIFICATE" in found


@pytest.mark.parametrize(
    ("status", "is_right"), [(401, False), (301, False), (426, True), (404, True)]
)
def test_plain_http_next_to_https_is_refused(
    monkeypatch: pytest.MonkeyPatch, status: int, is_right: bool
) -> None:
    """GW-13: not redirected either."""
    with serving({}, status=status) as port:
        monkeypatch.setattr(external_checks, "PLAIN_PORT", port)
        assert (plain_http(Site("https://localhost")) == "") is is_right
    assert plain_http(Site("http://memo.example"))
    assert not plain_http(Site("http://127.0.0.1"))


@pytest.mark.parametrize("url", ["memo.example", "ftp://memo.example", "https://"])
def test_what_is_no_url_of_a_site_is_refused(
    layout: Layout, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="not the URL"):
        Site(url)
    with pytest.raises(SystemExit):
        doctor.run(layout, ["--url", url])
    assert f"argument --url: {url} is not the URL of a site" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["https://例え.example", "https://müller.example"])
def test_a_host_is_sent_in_the_letters_of_dns(url: str) -> None:
    with serving({}, status=200) as port:
        assert external_checks.reached(Site(url, port=port, tls=False)) == ""
    assert Site(url).host.startswith("xn--")


def test_a_public_url_that_is_none_is_a_finding(layout: Layout) -> None:
    for each in ("auth_users", "users_auth"):
        write_private(layout.secrets / f"{each}_service_api_key", "key")
    text = "GATEWAY_PORT=1\nGATEWAY_PUBLIC_URL=memo.example\n"
    write_private(layout.gateway_env, text)
    [last] = doctor.examine_gateway(layout)
    assert last.startswith("WRONG gateway: url ")
    assert "memo.example is not the URL of a site. -> Correct " in last


def test_the_smoke_test_waits_for_a_limit_if_it_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once. What it prints then says how long is left."""
    slept: list[int] = []
    monkeypatch.setattr(smoke_test.time, "sleep", slept.append)
    for wait, hint in (
        ("30", "in 30 seconds"),
        ("31", "in 31 seconds"),
        ("x", "login"),
    ):
        with serving({"Retry-After": wait}, status=429) as port:
            client = smoke_test.Client(f"http://localhost:{port}")
            with pytest.raises(SystemExit, match=f"{hint}[.]?$"):
                client("Log in", "200", "POST /api/v1/auth/login", {})
    assert slept == [30]


def test_the_smoke_test_reads_each_mail_of_a_file(tmp_path: Path) -> None:
    mails = [f"To: {name}@example.org\n\nlink\n{'-' * 79}\n" for name in "ab"]
    (tmp_path / "one.log").write_text("".join(mails) + "To: unfinished@example.org\n")
    found = [mail["To"] for mail in smoke_test.mails_in(tmp_path)]
    assert found == ["a@example.org", "b@example.org"]
