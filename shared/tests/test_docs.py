"""What the documentation says of errors and events is what the code has, and every link
has a target."""

import re
import time
from contextlib import nullcontext
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest

from shared.api.exceptions import CODES
from shared.checks.messages import MESSAGES
from shared.limits.defaults import DEFAULTS

ROOT = Path(__file__).parents[2]
ERRORS = ROOT / "docs" / "errors.md"
EVENTS = ROOT / "docs" / "operations" / "logging.md"
CHECKS = ROOT / "docs" / "operations" / "checks.md"
CATALOGUES = (
    ROOT / "users_project" / "users" / "events" / "catalogue.py",
    ROOT / "auth_project" / "tokens" / "events.py",
)
SETTINGS = ROOT / "docs" / "configuration.md"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_the_documented_codes_are_the_codes():
    documented = dict(re.findall(r"^\* `(\w+)`: (.*)$", ERRORS.read_text(), re.M))
    assert documented == CODES


def test_a_service_outside_has_the_handlers_of_errors_too():
    """Without one, Django would answer a bad host, for example, in HTML."""
    template = ROOT / "deploy/service_template/project/config/urls.py-tpl"
    pages = template, ROOT / "docs" / "integration.md"
    ours, documented = (
        re.findall(r'^handler\d+ = "\S+"$', page.read_text(), re.M) for page in pages
    )
    assert len(ours) == 4
    assert documented == ours


def test_no_form_of_the_front_end_puts_a_password_into_the_address():
    """Also if it is sent before the script runs."""
    page = (ROOT / "docs" / "examples" / "front-end.html").read_text()
    forms = re.findall("<form[^>]*>", page)
    assert len(forms) == page.count("</form>") > 0
    assert all('method="post"' in form for form in forms)


@pytest.mark.parametrize(
    ("ahead", "kind", "taken"),
    [(8, "at+jwt", True), (60, "at+jwt", False), (0, "JWT", False)],
)
def test_the_sample_for_other_hosts_takes_tokens_of_a_clock_that_is_ahead(
    issuer_key, monkeypatch, ahead, kind, taken
):
    """By some seconds. PyJWT refuses an `iat` in the future."""
    page = (ROOT / "docs" / "integration.md").read_text()
    sample = re.search(r"^```python\n(keys = .*?)^```$", page, re.M | re.S)[1]
    public = issuer_key.public_key()
    keys = SimpleNamespace(get_signing_key_from_jwt=lambda token: public)
    monkeypatch.setattr(jwt, "PyJWKClient", lambda url: keys)
    issued_at = int(time.time()) + ahead
    times = {"iat": issued_at, "exp": issued_at + 300}
    claims = {"iss": "https://memo.example.org", "aud": "memo", **times}
    token = jwt.encode(claims, issuer_key, "RS256", headers={"typ": kind})

    with nullcontext() if taken else pytest.raises(jwt.InvalidTokenError):
        exec(sample, {"jwt": jwt, "token": token})  # noqa: S102


def test_the_documented_events_are_the_events():
    """LOG-02: an operator finds in the list whatever the logs may say."""
    documented = events_in("## Audit events", "")
    written = {event for path in sources() for event in events_of(path)}
    assert documented == written | kept()


def test_the_documented_rows_are_those_of_the_catalogues():
    assert events_in("## Events that are kept", "## Events of dependencies") == kept()


def events_in(start, end):
    """What the lists between two headings are about."""
    section = EVENTS.read_text().partition(start)[2]
    text = section.partition(end)[0] if end else section
    items = re.findall(r"^\* ((?:`\w+`(?:,\s+|(?=:)))+)", text, re.M)
    return set(re.findall(r"\w+", " ".join(items)))


def kept():
    """The events that are rows."""
    entry = re.compile(r'^    "(\w+)": [(A-Z]', re.M)
    return {name for path in CATALOGUES for name in entry.findall(path.read_text())}


def sources():
    yield ROOT / "deploy" / "gunicorn.conf.py"
    for folder in ("shared", "auth_project", "users_project"):
        for path in (ROOT / folder).rglob("*.py"):
            if not {"tests", "testing"} & {*path.parts}:
                yield path


# The name, or two to choose from, that follows: as an argument of `audit` and its like,
# as the `event` of something, and as the `audit_event` of an error.
EVENT = re.compile(
    r'(?:audit\w*\(|record\(|write\(|event=|"event": |event(?:: str)? = )\s*'
    r'"(\w+)"(?: if [^"]* else "(\w+)")?'
)


def events_of(path):
    found = EVENT.findall(path.read_text())
    return [name for names in found for name in names if name]


def test_the_documented_limits_are_the_defaults():
    text = (ROOT / "docs" / "rate-limiting.md").read_text()
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| `(.+?)` \|", text, re.M))
    assert documented == DEFAULTS


def test_the_documented_settings_are_the_settings():
    """Each heading is a setting that is read. Where the code has a plain default, it is
    the documented one."""
    heading = re.compile(r"^### `(\w+)`\n\n(?:.*?default `([^`]+)`)?", re.M)
    documented = dict(heading.findall(SETTINGS.read_text()))
    read = settings_of_services() | settings_of_the_gateway()
    assert documented.keys() == read.keys()
    for name, default in read.items():
        assert not default or documented[name].lower() == default.lower(), name


def settings_of_services() -> dict[str, str]:
    """What the settings modules read, and plain defaults."""
    modules = [ROOT / "shared" / "settings.py", *ROOT.glob("*_project/config/*.py")]
    call = re.compile(r'env\.\w+\(\s*"(\w+)"(?:, default="?([\w./:-]+)"?[,)])?')
    read = dict(pair for path in modules for pair in call.findall(path.read_text()))
    names = "DATABASE_URL", "DATABASE_PASSWORD"
    return read | {name: "" for each in names for name in (each, f"MIGRATION_{each}")}


def settings_of_the_gateway() -> dict[str, str]:
    text = (ROOT / "nginx" / "render.py").read_text()
    return dict(re.findall(r'^    "(GATEWAY_\w+)": \("([^"]*)"', text, re.M))


def test_no_page_trusts_whole_private_networks():
    """GW-02: every client in one could claim any address."""
    text = "".join(page.read_text() for page in PAGES)
    trusted = re.findall(r"GATEWAY_TRUSTED_PROXIES=([\w.:/,]+)", text)
    networks = [ip_network(each) for each in ",".join(trusted).split(",")]
    assert networks
    assert all(network.num_addresses <= 256 for network in networks)


def test_the_documented_checks_are_the_checks():
    documented = dict(re.findall(r"^\* `(memo\.\w+)`: (.*)$", CHECKS.read_text(), re.M))
    assert documented == {f"memo.{i}": what for i, (what, _) in MESSAGES.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_page_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name) if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def anchors(page):
    """What the headings of a page may be reached by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
