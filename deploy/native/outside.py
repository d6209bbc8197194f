"""What `doctor` finds at the gateway, from outside: routes, errors and headers."""

import http.client
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from uuid import uuid4

from .findings import WRONG, Finding, judge
from .site import Site

CLOCK = 11.5  # seconds: JWT_LEEWAY's default, and HTTP's whole seconds
NOBODY = "x" * 64  # an API key of the right form

# Routes whose callers are services, and whose keys open them (DESIGN: internal).
INTERNAL = (
    ("auth", "POST", "/api/v1/auth/verify_token"),
    ("auth", "POST", "/api/v1/auth/introspect"),
    ("auth", "POST", "/api/v1/auth/sessions/revoke"),
    ("auth", "GET", "/api/v1/auth/users/{}/sessions"),
    ("users", "POST", "/api/v1/users/verify"),
    ("users", "GET", "/api/v1/users/{}"),
    ("users", "POST", "/api/v1/users/{}/end_sessions"),
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

Probe = Callable[[Site], Iterator[Finding]]


def find(identity: str, holds: bool, text: str, otherwise: str, advice: str) -> Finding:
    return judge("gateway", identity, holds, text, otherwise, advice)


def examine(site: Site, probes: list[Probe]) -> Iterator[Finding]:
    """Everything that can be seen from outside; nothing where nobody answers."""
    try:
        ready = site.get("/api/v1/auth/health/ready")
    except (OSError, http.client.HTTPException) as exc:
        text = f"{site.url} does not answer: {exc}"
        yield Finding(
            "gateway", "reached", WRONG, text, "Is it up? Is the address right?"
        )
        return
    yield find(
        "reached",
        ready.status == 200,
        f"{site.url} answers, and the Auth Service is ready",
        f"{site.url} answers {ready.status} to {ready.body.get('code', 'readiness')}",
        "Look at the log of the gateway and of auth.",
    )
    for probe in probes:
        yield from asked(probe, site)


def asked(probe: Probe, site: Site) -> Iterator[Finding]:
    try:
        yield from probe(site)
    except (OSError, http.client.HTTPException) as exc:
        text = f"no answer: {type(exc).__name__}"
        yield Finding("gateway", probe.__name__, WRONG, text, "Ask again.")


def clock(site: Site) -> Iterator[Finding]:
    date = site.get("/.well-known/jwks.json").header("Date")
    apart = abs(parsedate_to_datetime(date).timestamp() - time.time())
    yield find(
        "clock",
        apart <= CLOCK,
        "its clock and the one here agree",
        f"its clock and the one here are {apart:.0f} s apart",
        "Keep time (NTP) on every machine.",
    )


def internal_routes(site: Site) -> Iterator[Finding]:
    """Closed even with a key that would open them (S2S-02)."""
    opened = []
    for service, method, path in INTERNAL:
        key = site.keys.get(service, NOBODY)
        headers = {"X-Internal-Api-Key": key, "Content-Type": "application/json"}
        answer = site.send(method, path.format(uuid4()), headers, "{}")
        # A service has other words for what it does not find.
        if (answer.status, answer.body.get("code")) != (404, "not_found"):
            opened.append(f"{method} {path.format('ID')}")
    yield find(
        "internal",
        not opened,
        f"{len(INTERNAL)} internal routes are closed"
        + (", with a valid key too" if site.keys else ""),
        f"internal routes can be reached: {', '.join(opened)}",
        "Take their locations out of nginx/services/.",
    )


def errors(site: Site) -> Iterator[Finding]:
    """What the gateway makes itself, and what a service makes: one form (RFC 9457)."""
    answers = {
        "an unknown path": site.get("/nowhere"),
        "no token": site.get("/api/v1/users/me"),
        "no JSON": site.send(
            "POST", "/api/v1/auth/login", {"Content-Type": "application/json"}, "{"
        ),
        "a wrong method": site.send("TRACE", "/api/v1/users/me"),
    }
    other = [what for what, answer in answers.items() if not answer.is_problem()]
    yield find(
        "errors",
        not other,
        "errors are application/problem+json",
        f"errors in another form: {', '.join(other)}",
        "Is something in front of the gateway, or a location without its includes?",
    )


def security_headers(site: Site) -> Iterator[Finding]:
    """On a service's answer and on the gateway's own (GW-12)."""
    wrong = set()
    for path in ("/api/v1/users/me", "/nowhere"):
        answer = site.get(path)
        wrong |= {n for n, right in HEADERS.items() if answer.header(n) != right}
        named = answer.header("Server")
        wrong |= {"Server"} if any(c.isdigit() for c in named) else set()
        wrong |= {"X-Powered-By"} if answer.header("X-Powered-By") else set()
    yield find(
        "headers",
        not wrong,
        "security headers are as they should be",
        f"missing, doubled or other than they should be: {', '.join(sorted(wrong))}",
        "nginx/includes/api.conf sets them; nothing else should.",
    )


def foreign_origin(site: Site) -> Iterator[Finding]:
    headers = {"Origin": "https://doctor.invalid"}
    allowed = site.get("/api/v1/users/me", headers).header(
        "Access-Control-Allow-Origin"
    )
    yield find(
        "cors",
        not allowed,
        "an unknown origin may read nothing",
        f"an unknown origin may read: {allowed}",
        "CORS_ALLOWED_ORIGINS is a list of exact origins.",
    )


def unknown_host(site: Site) -> Iterator[Finding]:
    answer = site.get("/api/v1/auth/health/live", {"Host": "doctor.invalid"})
    yield find(
        "hosts",
        answer.status >= 400,
        "requests for other hosts are refused",
        f"a request for another host is answered: {answer.status}",
        "GATEWAY_SERVER_NAMES and ALLOWED_HOSTS list the names of the public URL.",
    )


def refresh_cookie(site: Site) -> Iterator[Finding]:
    """As the one shows that clears it, after a token that is none (COOK-01)."""
    found = ""
    for name in ("__Secure-refresh_token", "refresh_token"):
        answer = site.send("POST", "/api/v1/auth/refresh", {"Cookie": f"{name}=doctor"})
        found = found or answer.header("Set-Cookie")
    name, _, _ = found.partition("=")
    flags = {part.strip().lower() for part in found.split(";")[1:]}
    wanted = {"path=/api/v1/auth", "httponly", "samesite=strict"}
    wanted |= {"secure"} if site.is_public_https or not site.is_local else set()
    missing = sorted(wanted - flags)
    if "secure" in wanted and not name.startswith("__Secure-"):
        missing.append("the name __Secure-refresh_token")
    yield find(
        "cookie",
        bool(found) and not missing and not any(f.startswith("domain") for f in flags),
        f"the refresh cookie has {', '.join(sorted(wanted))}",
        f"the refresh cookie lacks {', '.join(missing)}"
        if found
        else "a refresh token "
        f"that is none was answered {answer.status}, without clearing the cookie",
        "COOKIE_SECURE=true behind https; nothing between may change Set-Cookie.",
    )


PROBES: list[Probe] = [
    clock,
    internal_routes,
    errors,
    security_headers,
    foreign_origin,
    unknown_host,
    refresh_cookie,
]
