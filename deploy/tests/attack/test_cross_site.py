"""Pages of other sites, in the browser of somebody who is logged in (COOK-05, -06)."""

from urllib.parse import urlsplit

import pytest

from deploy.tests.attack.account import LOGIN, LOGOUT, ME, REFRESH, Account
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import refused

ACTS = pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT])
# What a browser says of the page that asks; {} are parts of the target's own address.
PAGES = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "another site, old browser": {"Origin": "https://evil.example"},
    "a sandbox": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "a sandbox, old browser": {"Origin": "null"},
    "cross-site that names us": {"Origin": "{origin}", "Sec-Fetch-Site": "cross-site"},
    "a sibling": {
        "Origin": "{scheme}://sibling.{host}",
        "Sec-Fetch-Site": "same-site",
    },
    "a sibling, old browser": {"Origin": "{scheme}://sibling.{host}"},
    "another port": {"Origin": "{scheme}://{host}:1", "Sec-Fetch-Site": "same-site"},
    "the other scheme": {"Origin": "{other}://{netloc}"},
    "a name that begins with ours": {"Origin": "{origin}.evil.example"},
    "a name that ends with ours": {"Origin": "{scheme}://evil{netloc}"},
    "a user of our name": {"Origin": "{origin}@evil.example"},
    "ours and another": {"Origin": "{origin}, https://evil.example"},
    "ours with a path": {"Origin": "{origin}/"},
    "a bookmark, or a link": {"Sec-Fetch-Site": "none"},
    "nonsense": {"Sec-Fetch-Site": "same-origin, cross-site"},
    "nothing said": {"Sec-Fetch-Site": "", "Origin": ""},
}
CONTENT = ("application/json", "text/plain", "application/x-www-form-urlencoded")


def said(target: Target, page: dict[str, str]) -> dict[str, str]:
    scheme = urlsplit(target.origin).scheme
    parts = {
        "origin": target.origin,
        "scheme": scheme,
        "other": "http" if scheme == "https" else "https",
        "host": target.host,
        "netloc": target.netloc,
    }
    return {name: text.format(**parts) for name, text in page.items()}


def act(
    target: Target, account: Account, path: str, headers: dict[str, str]
) -> tuple[int, str]:
    credentials = {"email": account.email, "password": account.password}
    answer = target.ask(
        "POST",
        path,
        {**headers, **account.cookie_header()},
        value=credentials if path == LOGIN else None,
    )
    if answer.status == 403:
        refused(answer, 403, "cross_site_request")
        assert not answer.all("Set-Cookie")
    return answer.status, answer.body.decode()


@ACTS
@pytest.mark.parametrize(
    "page", [page for name, page in PAGES.items() if name != "nothing said"],
    ids=[name for name in PAGES if name != "nothing said"],
)  # fmt: skip
def test_a_page_elsewhere_neither_logs_in_nor_refreshes_nor_logs_out(
    target: Target, victim: Account, path: str, page: dict[str, str]
) -> None:
    status, body = act(target, victim, path, said(target, page))
    assert status == 403, body
    assert victim.me()


@ACTS
@pytest.mark.parametrize("media_type", CONTENT)
def test_a_form_of_another_site_does_nothing(
    target: Target, victim: Account, path: str, media_type: str
) -> None:
    """What a <form> can send without a preflight."""
    headers = said(target, PAGES["another site"]) | {"Content-Type": media_type}
    status, body = act(target, victim, path, headers)
    assert status == 403, body


# ---- CORS ----------------------------------------------------------------------------

REFLECTED = ["another site", "a sandbox", "a sibling", "a name that begins with ours"]


@pytest.mark.parametrize("page", REFLECTED)
@pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT, ME, "/.well-known/jwks.json"])
def test_no_other_origin_may_read_an_answer(
    target: Target, mallory: Account, path: str, page: str
) -> None:
    origin = {"Origin": said(target, PAGES[page])["Origin"]}
    ask = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    for method, more in (("OPTIONS", ask), ("POST", {}), ("GET", mallory.bearer)):
        answer = target.ask(method, path, {**origin, **more})
        allowed = answer.all("Access-Control-Allow-Origin")
        assert not {"*", "null", origin["Origin"]} & set(allowed), (method, allowed)
        assert not answer.all("Access-Control-Allow-Credentials")


def test_no_answer_may_be_embedded_elsewhere(target: Target) -> None:
    for path in (ME, "/.well-known/jwks.json", "/nowhere"):
        answer = target.ask("GET", path)
        assert answer.one("Cross-Origin-Resource-Policy") == "same-origin"
