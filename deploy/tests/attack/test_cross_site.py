"""Pages of other sites, in the browser of a user who is logged in (COOK-05, -06)."""

from urllib.parse import urlsplit

import pytest

from deploy.tests.attack.target import Target
from deploy.tests.client import LOGIN, LOGOUT, ME, REFRESH, refused

# What a browser sends of the page that asks; {} are parts of the target's own address.
PAGES = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "a sandbox": {"Origin": "null"},
    "cross-site that names us": {"Origin": "{origin}", "Sec-Fetch-Site": "cross-site"},
    "a sibling": {"Origin": "{scheme}://sibling.{host}", "Sec-Fetch-Site": "same-site"},
    "another port": {"Origin": "{scheme}://{host}:1", "Sec-Fetch-Site": "same-site"},
    "the other scheme": {"Origin": "{other}://{netloc}"},
    "a name that begins with ours": {"Origin": "{origin}.evil.example"},
    "a user of our name": {"Origin": "{origin}@evil.example"},
    "a bookmark, or a link": {"Sec-Fetch-Site": "none"},
}
REFLECTED = ["another site", "a sandbox", "a sibling", "a name that begins with ours"]


def headers_of(target: Target, page: dict[str, str]) -> dict[str, str]:
    scheme = urlsplit(target.origin).scheme
    parts = {"origin": target.origin, "host": target.host, "netloc": target.netloc}
    other = "http" if scheme == "https" else "https"
    return {n: t.format(**parts, scheme=scheme, other=other) for n, t in page.items()}


@pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT])
@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_a_page_elsewhere_neither_logs_in_nor_refreshes_nor_logs_out(
    target, victim, path, page
):
    headers = {**headers_of(target, page), **victim.cookie_header()}
    credentials = {"email": victim.email, "password": victim.password}
    response = target.ask("POST", path, headers, json_body=credentials)
    refused(response, 403, "cross_site_request")
    assert not response.all("Set-Cookie")
    assert victim.profile()


@pytest.mark.parametrize("page", REFLECTED)
@pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT, ME])
def test_no_other_origin_may_read_an_answer(target, mallory, path, page):
    origin = {"Origin": headers_of(target, PAGES[page])["Origin"]}
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    for method, more in (("OPTIONS", preflight), ("POST", {}), ("GET", mallory.bearer)):
        response = target.ask(method, path, {**origin, **more})
        allowed = response.all("Access-Control-Allow-Origin")
        assert not {"*", "null", origin["Origin"]} & set(allowed), (method, allowed)
        assert not response.all("Access-Control-Allow-Credentials")
        assert response.one("Cross-Origin-Resource-Policy") == "same-origin"
