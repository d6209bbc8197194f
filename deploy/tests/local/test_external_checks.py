"""`doctor` from outside, of a gateway that answers what a test wants: what needs https,
and what our own gateway would never do."""

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local import external_checks
from deploy.local.external_checks import Fault, Note, examine
from deploy.local.site import Site
from nginx.tests.certificates import self_signed
from nginx.tests.stub_service import Stub

COOKIE = "=; Max-Age=0; Path=/api/v1/auth; SameSite=Strict; HttpOnly"
PLAIN = f"refresh_token{COOKIE}"
SECURE = f"__Secure-refresh_token{COOKIE}; Secure"
YEAR = "max-age=31536000; includeSubDomains"
Pair = tuple[Path, Path]


@contextmanager
def serving(
    headers: Mapping[str, str],
    certificate: Pair | None = None,
    status: int = 401,
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


def verdict(fault: Fault) -> str:
    return "note" if isinstance(fault, Note) else "WRONG" if fault else "ok"


@pytest.mark.parametrize(
    ("url", "cookie", "expected"),
    [
        ("http://localhost", PLAIN, "ok"),
        ("http://memo.example", PLAIN, "WRONG"),
        ("https://memo.example", PLAIN, "WRONG"),
        ("https://memo.example", SECURE, "ok"),
        ("https://memo.example", SECURE.replace("__Secure-", ""), "WRONG"),
        ("https://memo.example", SECURE.replace("; HttpOnly", ""), "WRONG"),
        ("https://memo.example", SECURE.replace("Strict", "Lax"), "WRONG"),
        ("https://memo.example", SECURE.replace("/api/v1/auth", "/"), "WRONG"),
        ("https://memo.example", f"{SECURE}; Domain=memo.example", "WRONG"),
        ("https://memo.example", "", "WRONG"),
    ],
)
def test_the_refresh_cookie_is_what_its_address_asks_for(
    url: str, cookie: str, expected: str
) -> None:
    """COOK-01. Behind a proxy that ends TLS the gateway itself is asked in plain."""
    with serving({"Set-Cookie": cookie} if cookie else {}) as port:
        fault = external_checks.cookie(Site(url, port=port, tls=False))
    assert verdict(fault) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(YEAR, "ok"), ("max-age=300", "WRONG"), ("", "WRONG"), ("max-age=soon", "WRONG")],
)
def test_https_comes_with_hsts_of_a_year(
    certificate: Pair, value: str, expected: str
) -> None:
    """GW-12."""
    with serving({"Strict-Transport-Security": value}, certificate) as port:
        fault = external_checks.hsts(Site("https://memo.example", port=port, tls=True))
    assert verdict(fault) == expected


def test_a_certificate_of_an_unknown_issuer_is_no_answer(
    certificate: Pair,
) -> None:
    with serving({}, certificate) as port:
        found = list(examine(Site(f"https://localhost:{port}")))
    assert [(each.id, each.verdict) for each in found] == [("reached", "WRONG")]
    assert "CERTIFICATE" in found[0].text


def test_a_certificate_that_ends_soon_is_a_note(
    certificate: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving({}, certificate) as port:
        here = Site(f"https://localhost:{port}")
        assert verdict(external_checks.tls(here)) == "note"
        monkeypatch.setattr(external_checks, "SOON", -1)
        assert verdict(external_checks.tls(here)) == "ok"


@pytest.mark.parametrize(
    ("status", "expected"), [(401, "WRONG"), (301, "WRONG"), (426, "ok"), (404, "ok")]
)
def test_plain_http_next_to_https_is_refused(
    certificate: Pair,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    expected: str,
) -> None:
    """GW-13: not redirected either."""
    with serving({}, status=status) as plain, serving({}, certificate) as port:
        monkeypatch.setattr(external_checks, "PLAIN_PORT", plain)
        fault = external_checks.plain_http(Site(f"https://localhost:{port}"))
    assert verdict(fault) == expected


def test_plain_http_is_wrong_where_others_can_listen() -> None:
    public = Site("http://memo.example", port=9, tls=False)
    assert verdict(external_checks.tls(public)) == "WRONG"
    assert verdict(external_checks.tls(Site("http://127.0.0.1"))) == "ok"


def test_a_check_without_an_answer_is_wrong_and_the_next_still_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check(found: Fault | Exception) -> Fault:
        if isinstance(found, Exception):
            raise found
        return found

    answers = [http.client.RemoteDisconnected("gone"), Note("dark"), None, ""]
    checks = [(lambda _, x=each: check(x), "it is so", "do it") for each in answers]
    monkeypatch.setattr(external_checks, "CHECKS", checks)
    assert [(each.verdict, each.text) for each in examine(Site("http://x"))] == [
        ("WRONG", "it is so: no answer: gone"),
        ("note", "it is so: dark"),
        ("ok", "it is so"),
    ]


@pytest.mark.parametrize("url", ["memo.example", "ftp://memo.example", "https://"])
def test_what_is_no_url_of_a_site_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the URL"):
        Site(url)
