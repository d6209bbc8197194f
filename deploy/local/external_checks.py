"""The checks of `doctor` from outside, by requests that change nothing. `attack` tries
everything that a client can.

The report names each check by its function, and its docstring is the statement that has
to hold. It returns what is wrong, or "".
"""

import contextlib
import http.client
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from uuid import uuid4

from .setup.secretfiles import KEY
from .setup.site import Site

NO_KEY = "x" * 64  # an API key of the right form
COOKIE_FLAGS = ("path=/api/v1/auth", "httponly", "samesite=strict")
ME = "/api/v1/users/me"
PLAIN_PORT = 80
# Statuses with which the gateway and other servers refuse plain http.
REFUSED = (400, 403, 404, 421, 426)
# Routes that only services may call, and the service that has each.
INTERNAL = (
    ("auth", "POST /api/v1/auth/verify_token"),
    ("auth", "POST /api/v1/auth/introspect"),
    ("auth", "POST /api/v1/auth/sessions/revoke"),
    ("auth", "GET /api/v1/auth/users/{id}/sessions"),
    ("users", "POST /api/v1/users/verify"),
    ("users", "POST /api/v1/users/lookup"),
    ("users", "GET /api/v1/users/{id}"),
    ("users", "POST /api/v1/users/{id}/end_sessions"),
)


def finding(
    where: str, name: str, statement: str, fault: str, hint: str, bad: str = "WRONG"
) -> str:
    """A line of the report. `fault` says what is true instead of the statement."""
    verdict = bad if fault else "ok"
    text = f"{statement}: {fault} -> {hint}" if fault else statement
    return f"{verdict:<5} {where + ':':<8} {name:<19} {text}"


def service_keys(folder: Path) -> dict[str, str]:
    """A valid API key for each service, from a stack's secrets."""
    return {
        callee: (folder / KEY.format(caller, callee)).read_text().strip()
        for caller, callee in permutations(("auth", "users"))
    }


def reached(site: Site) -> str:
    """the site answers, and auth is ready"""
    reply = site.send("GET", "/api/v1/auth/health/ready")
    return "" if reply.status == 200 else reply.summary


def internal(site: Site) -> str:
    """the gateway passes no internal routes, even with a valid key (S2S-02)"""
    found = []
    for service, route in INTERNAL:
        method, path = route.format(id=uuid4()).split()
        sent = {"X-Internal-Api-Key": site.keys.get(service, NO_KEY)}
        reply = site.send(method, path, "{}", Content_Type="application/json", **sent)
        # This is the gateway's code. A service has another one for a missing object.
        found += [route] * (reply.summary != "404 not_found")
    return ", ".join(found)


def cookie(site: Site) -> str:
    """the refresh cookie has the right name and flags (COOK-01)"""
    # Seen in the answer to an invalid token, which clears the cookie.
    sent = "__Secure-refresh_token=doctor; refresh_token=doctor"
    reply = site.send("POST", "/api/v1/auth/refresh", Cookie=sent)
    name, _, flags = reply.headers.get("Set-Cookie", "").lower().partition("=")
    wrong = [x for x in COOKIE_FLAGS if not re.search(rf"; {x}(;|$)", flags)]
    wrong += ["domain"] if "; domain=" in flags else []
    if site.is_https or not site.is_local:
        is_secure = name.startswith("__secure-") and "; secure" in flags
        wrong += [] if is_secure else ["secure"]
    return ", ".join(wrong)


def plain_http(site: Site) -> str:
    """only this machine may use plain http (GW-13)"""
    # A redirect would come after the password was sent.
    if not site.over_tls:
        return "" if site.is_https or site.is_local else f"{site.url} is plain http"
    plain, port = replace(site, tls=False), site.port or PLAIN_PORT
    plain.address = site.address[0], port
    # A port that speaks no plain http answers nothing that can be read.
    with contextlib.suppress(OSError, http.client.HTTPException):
        reply = plain.send("GET", ME)
        refused = reply.status in REFUSED
        return "" if refused else f"port {port} answers {reply.summary}"
    return ""


CHECKS = {
    reached: "Is it up? Is the URL right?",
    internal: "Remove the locations of these routes from nginx/services/.",
    cookie: "Set COOKIE_SECURE=true behind https. No proxy may change Set-Cookie.",
    plain_http: "Set GATEWAY_TLS_CERTIFICATE or use a TLS proxy. Close the http port.",
}


def examine(site: Site) -> Iterator[str]:
    """A line for each check; only that of `reached` if the site is not ready."""
    for check, hint in CHECKS.items():
        try:
            fault = check(site)
        except (OSError, http.client.HTTPException) as exc:
            fault = f"no answer: {exc or type(exc).__name__}"
        yield finding("gateway", check.__name__, str(check.__doc__), fault, hint)
        if check is reached and fault:
            return
