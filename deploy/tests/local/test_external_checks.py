"""`doctor` from outside, of a gateway that answers what a test wants: what needs https,
and what our own gateway would never do."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local import external_checks
from deploy.local.external_checks import Note, examine
from deploy.local.site import Site
from nginx.tests.certificates import self_signed
from nginx.tests.stub_service import Stub

COOKIE = "=; Max-Age=0; Path=/api/v1/auth; SameSite=Strict; HttpOnly"
PLAIN = f"refresh_token{COOKIE}"
SECURE = f"__Secure-refresh_token{COOKIE}; Secure"
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
    ("url", "cookie", "is_right"),
    [
        ("http://localhost", PLAIN, True),
        ("http://memo.example", PLAIN, False),
        ("https://memo.example", PLAIN, False),
        ("https://memo.example", SECURE, True),
        ("https://memo.example", SECURE.replace("__Secure-", ""), False),
        ("https://memo.example", SECURE.replace("; HttpOnly", ""), False),
        ("https://memo.example", SECURE.replace("Strict", "Lax"), False),
        ("https://memo.example", SECURE.replace("/api/v1/auth", "/"), False),
        ("https://memo.example", f"{SECURE}; Domain=memo.example", False),
        ("https://memo.example", "", False),
    ],
)
def test_the_refresh_cookie_is_what_its_address_asks_for(
    url: str, cookie: str, is_right: bool
) -> None:
    """COOK-01. Behind a proxy that ends TLS the gateway itself is asked in plain."""
    with serving({"Set-Cookie": cookie} if cookie else {}) as port:
        fault = external_checks.cookie(Site(url, port=port, tls=False))
    assert (fault == "") is is_right


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        ("max-age=31536000; includeSubDomains", True),
        ("max-age=300", False),
        ("", False),
    ],
)
def test_https_comes_with_hsts_of_a_year(
    certificate: Pair, value: str, is_right: bool
) -> None:
    """GW-12."""
    with serving({"Strict-Transport-Security": value}, certificate) as port:
        fault = external_checks.hsts(Site("https://memo.example", port=port, tls=True))
    assert (fault == "") is is_right


def test_a_certificate_of_an_unknown_issuer_is_no_answer(certificate: Pair) -> None:
    """Nothing else is examined then."""
    with serving({}, certificate) as port:
        [found] = examine(Site(f"https://localhost:{port}"))
    assert (found.id, found.verdict) == ("reached", "WRONG")
    assert "CERTIFICATE" in found.text


@pytest.mark.parametrize(
    ("status", "is_right"), [(401, False), (301, False), (426, True), (404, True)]
)
def test_plain_http_next_to_https_is_refused(
    certificate: Pair, monkeypatch: pytest.MonkeyPatch, status: int, is_right: bool
) -> None:
    """GW-13: not redirected either."""
    with serving({}, status=status) as plain, serving({}, certificate) as port:
        monkeypatch.setattr(external_checks, "PLAIN_PORT", plain)
        fault = external_checks.plain_http(Site(f"https://localhost:{port}"))
    assert (fault == "") is is_right
    assert external_checks.tls(Site("http://memo.example"))
    assert not external_checks.tls(Site("http://127.0.0.1"))


def test_a_check_without_an_answer_is_wrong_and_the_next_still_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(site: Site) -> str:
        """it is so"""
        raise ConnectionResetError("gone")

    def dark(site: Site) -> Note:
        """so is this"""
        return Note("dark")

    monkeypatch.setattr(external_checks, "CHECKS", [(gone, "do it"), (dark, "do")])
    assert [(each.verdict, each.text) for each in examine(Site("http://x"))] == [
        ("WRONG", "it is so: no answer: gone"),
        ("note", "so is this: dark"),
    ]


@pytest.mark.parametrize("url", ["memo.example", "ftp://memo.example", "https://"])
def test_what_is_no_url_of_a_site_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the URL"):
        Site(url)
