"""What `doctor` examines from outside: routes, errors, headers, cookies and TLS; and
whether a client can send what only the gateway may (GW-02, BF-03).

A check has the name by which it is reported, and its docstring is what has to hold. It
returns what is wrong, a Note, nothing (""), or None where it does not apply.
"""

import contextlib
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import uuid4

from .files import tail
from .site import Reply, Site

NO_KEY = "x" * 64  # an API key of the right form
YEAR = 31536000  # seconds
PLAIN_PORT = 80
# What the gateway and other servers answer where they refuse plain http.
REFUSED = (400, 403, 404, 421, 426)
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}  # RFC 9457
SPOOFED_ID = "doctor-0000-1111-2222"
SPOOFED_ADDRESS = "203.0.113.77"  # of a network for documentation (RFC 5737)
PROXY = "nginx/includes/proxy.conf sets it for every route; no location may set more."
ME = "/api/v1/users/me"

# Routes for services alone, and whose they are.
INTERNAL = (
    ("auth", "POST /api/v1/auth/verify_token"),
    ("auth", "POST /api/v1/auth/introspect"),
    ("auth", "POST /api/v1/auth/sessions/revoke"),
    ("auth", "GET /api/v1/auth/users/{id}/sessions"),
    ("users", "POST /api/v1/users/verify"),
    ("users", "GET /api/v1/users/{id}"),
    ("users", "POST /api/v1/users/{id}/end_sessions"),
)
JSON = {"Content-Type": "application/json"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


@dataclass(frozen=True)
class Finding:
    """`where` is a service, `gateway` or `machine`; `id` names what was examined."""

    where: str
    id: str
    verdict: str
    text: str
    advice: str = ""

    @classmethod
    def of(cls, where: str, id: str, text: str, fault: str, advice: str) -> "Finding":
        """Of a statement, and what is true instead of it; "" where it holds."""
        if not fault:
            return cls(where, id, "ok", text)
        verdict = "note" if isinstance(fault, Note) else "WRONG"
        return cls(where, id, verdict, f"{text}: {fault}", advice)


class Note(str):
    """What cannot be seen from here, or is worth a look. It is not WRONG."""


Fault = str | None
Check = Callable[[Site], Fault]
CHECKS: list[tuple[Check, str]] = []


def external(advice: str) -> Callable[[Check], Check]:
    """The check's docstring is the statement that has to hold."""

    def decorate(check: Check) -> Check:
        CHECKS.append((check, advice))
        return check

    return decorate


def status_of(reply: Reply, *wanted: int) -> str:
    """Empty for a status that is wanted."""
    return "" if reply.status in wanted else f"{reply.status} {reply.code}".strip()


@external("Is it up? Is the URL right?")
def reached(site: Site) -> Fault:
    """the site answers, and auth is ready"""
    return status_of(site.get("/api/v1/auth/health/ready"), 200)


@external("Remove their locations from nginx/services/.")
def internal(site: Site) -> Fault:
    """internal routes are closed, with a valid key too (S2S-02)"""
    found = []
    for service, route in INTERNAL:
        method, path = route.format(id=uuid4()).split()
        key = site.keys.get(service, NO_KEY)
        reply = site.send(method, path, "{}", X_Internal_Api_Key=key, **JSON)
        # A service has another code for what it does not find.
        found += [route] * ((reply.status, reply.code) != (404, "not_found"))
    return ", ".join(found)


@external("Is something in front of the gateway, or a location without its includes?")
def errors(site: Site) -> Fault:
    """errors are application/problem+json (RFC 9457)"""
    replies = {
        "an unknown path": site.get("/nowhere"),
        "no token": site.get(ME),
        "malformed JSON": site.send("POST", "/api/v1/auth/login", "{", **JSON),
        "a wrong method": site.send("TRACE", ME),
    }
    good = {
        what
        for what, reply in replies.items()
        if reply.header("Content-Type").startswith("application/problem+json")
        and set(reply.body) >= PROBLEM
    }
    return ", ".join(replies.keys() - good)


@external("nginx/includes/api.conf sets them; nothing else should.")
def headers(site: Site) -> Fault:
    """security headers are there once, and no version is (GW-12)"""
    wrong = set()
    # Of a service, and of the gateway itself.
    for reply in (site.get(ME), site.get("/nowhere")):
        wrong |= {x for x, value in HEADERS.items() if reply.header(x) != value}
        wrong |= {"Server"} if re.search(r"\d", reply.header("Server")) else set()
        wrong |= {"X-Powered-By"} if reply.header("X-Powered-By") else set()
    return ", ".join(sorted(wrong))


@external("CORS_ALLOWED_ORIGINS is a list of exact origins.")
def cors(site: Site) -> Fault:
    """an unknown origin may read nothing"""
    reply = site.get(ME, Origin="https://doctor.invalid")
    return reply.header("Access-Control-Allow-Origin")


@external("GATEWAY_SERVER_NAMES and ALLOWED_HOSTS list the names of the public URL.")
def hosts(site: Site) -> Fault:
    """requests for other hosts are refused"""
    reply = site.get("/api/v1/auth/health/live", Host="doctor.invalid")
    return "" if reply.status >= 400 else str(reply.status)


@external("COOKIE_SECURE=true behind https; nothing between may change Set-Cookie.")
def cookie(site: Site) -> Fault:
    """the refresh cookie has its name and its flags (COOK-01)"""
    # As the one shows that clears it, after an invalid token.
    names = ("__Secure-refresh_token", "refresh_token")
    path = "/api/v1/auth/refresh"
    replies = [site.send("POST", path, Cookie=f"{name}=doctor") for name in names]
    found = next(filter(None, (each.header("Set-Cookie") for each in replies)), "")
    flags = {part.strip().lower() for part in found.split(";")[1:]}
    wanted = {"path=/api/v1/auth", "httponly", "samesite=strict"}
    if site.is_https or not site.is_local:
        wanted |= {"secure"}
        flags -= set() if found.startswith("__Secure-") else {"secure"}
    wrong = sorted(wanted - flags) + [f for f in flags if f.startswith("domain")]
    return ", ".join(wrong)


@external("GATEWAY_TLS_CERTIFICATE, or a TLS proxy: docs/operations/deployment.md")
def tls(site: Site) -> Fault:
    """no other machine can listen (GW-13)"""
    return "" if site.is_local or site.is_https else "it is plain http"


@external("Strict-Transport-Security: max-age=31536000; includeSubDomains")
def hsts(site: Site) -> Fault:
    """HSTS holds for a year (GW-12)"""
    if not site.over_tls:
        return None
    value = site.get("/nowhere").header("Strict-Transport-Security")
    age = value.partition("max-age=")[2].partition(";")[0]
    return "" if age.isdigit() and int(age) >= YEAR else value or "it is missing"


@external("Refuse it (426), or close the port.")
def plain_http(site: Site) -> Fault:
    """plain http is refused"""
    # A redirect would come after the password was sent.
    if not site.over_tls:
        return None
    served, (host, own) = [], site.address
    for port in {own} if site.port else {own, PLAIN_PORT}:
        plain = replace(site, tls=False)
        plain.address = host, port
        # A port that speaks no plain http answers nothing that can be read.
        with contextlib.suppress(OSError, http.client.HTTPException):
            if found := status_of(plain.get(ME), *REFUSED):
                served.append(f"port {port} answers {found}")
    return ", ".join(served)


@external("nginx/services/ has a location for openapi.json; restart the service.")
def schema(site: Site) -> Fault:
    """the OpenAPI documents are open or closed as DOCS_ENABLED says"""
    documents = {s: f"/api/v1/{s}/openapi.json" for s in site.docs or ("auth", "users")}
    found = {name: site.get(path).status for name, path in documents.items()}
    text = ", ".join(f"{name} answers {status}" for name, status in found.items())
    if site.docs is None:
        return Note(text)
    wanted = {name: 200 if is_open else 404 for name, is_open in site.docs.items()}
    return "" if found == wanted else text


@external(PROXY)
def request_id(site: Site) -> Fault:
    """a client's X-Request-ID reaches no service (GW-02)"""
    reply = site.get(ME, X_Request_ID=SPOOFED_ID)
    seen = {reply.body.get("request_id"), reply.header("X-Request-ID")}
    return "it can forge log lines" if SPOOFED_ID in seen or len(seen) != 1 else ""


@external(PROXY)
def forwarded_proto(site: Site) -> Fault:
    """a client's X-Forwarded-Proto reaches no service (GW-02)"""
    # The admin accepts a form from the origin where it believes to be. It accepts the
    # other scheme only where it believes a client's X-Forwarded-Proto.
    path, scheme = "/admin/login/", "http" if site.is_https else "https"
    form = site.get(path)
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', form.content)
    if not token:
        return Note("it cannot be seen, as the admin is closed here")
    cookies = form.headers.get_all("Set-Cookie", [])
    reply = site.send(
        *("POST", path, f"csrfmiddlewaretoken={token[1].decode()}"),
        Cookie="; ".join(value.partition(";")[0] for value in cookies),
        Origin=f"{scheme}://{site.host}",
        Referer=f"{scheme}://{site.host}{path}",
        X_Forwarded_Proto=scheme,
        Content_Type="application/x-www-form-urlencoded",
    )
    if reply.status == 429:
        return Note("it cannot be seen now: the limit of logins is reached")
    return status_of(reply, 403)


@external(PROXY)
def client_address(site: Site) -> Fault:
    """a client cannot choose its own address (BF-03)"""
    # Services write it to their log alone, in the access line of a request.
    spoofed = {"X_Real_IP": SPOOFED_ADDRESS, "X_Forwarded_For": SPOOFED_ADDRESS}
    reply = site.get(ME, **spoofed, Forwarded=f"for={SPOOFED_ADDRESS}")
    request = str(reply.body.get("request_id"))
    for _ in range(20 if site.logs else 0):
        lines = [x for log in site.logs for x in tail(log, 500).splitlines()]
        for line in lines:
            if request in line and '"event": "access"' in line:
                spoofed_too = json.loads(line).get("client") == SPOOFED_ADDRESS
                return "it can, so no limit holds" if spoofed_too else ""
        time.sleep(0.05)
    return Note(f"look for {SPOOFED_ADDRESS} in the log of the User Service")


def examine(site: Site) -> Iterator[Finding]:
    """All that is seen from outside; only `reached` where the site does not answer."""
    for check, advice in CHECKS:
        unanswered = False
        try:
            fault = check(site)
        except (OSError, http.client.HTTPException) as exc:
            unanswered, fault = True, f"no answer: {exc or type(exc).__name__}"
        if fault is not None:
            text = str(check.__doc__)
            yield Finding.of("gateway", check.__name__, text, fault, advice)
        if unanswered and check is reached:
            return
