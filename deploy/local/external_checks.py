"""What `doctor` examines from outside: routes, errors, headers, cookies and TLS."""

import contextlib
import http.client
import re
import ssl
import time
from email.utils import parsedate_to_datetime
from uuid import uuid4

from .site import Fault, Note, Reply, Site, external

CLOCK_TOLERANCE = 11.5  # seconds: JWT_LEEWAY's default, and HTTP's whole seconds
NO_KEY = "x" * 64  # an API key of the right form
YEAR = 31536000  # seconds
SOON = 14  # days
PLAIN_PORT = 80
# What the gateway and other servers answer where they refuse plain http.
REFUSED = (400, 403, 404, 421, 426)
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}  # RFC 9457

# Routes for services alone: the service, method and path.
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


@external(
    "reached", "the site answers, and auth is ready", "Is it up? Is the URL right?"
)
def reached(site: Site) -> Fault:
    ready = site.get("/api/v1/auth/health/ready")
    return "" if ready.status == 200 else f"{ready.status} {ready.body.get('code', '')}"


@external("clock", "the clocks agree", "Keep time with NTP on every machine.")
def clock(site: Site) -> Fault:
    date = parsedate_to_datetime(site.get("/.well-known/jwks.json").header("Date"))
    difference = abs(date.timestamp() - time.time())
    return f"{difference:.0f} s" if difference > CLOCK_TOLERANCE else ""


@external(
    "internal",
    "internal routes are closed, with a valid key too (S2S-02)",
    "Remove their locations from nginx/services/.",
)
def internal_routes(site: Site) -> Fault:
    opened = []
    for service, method, path in INTERNAL:
        key = site.keys.get(service, NO_KEY)
        headers = {"X-Internal-Api-Key": key, "Content-Type": "application/json"}
        answer = site.send(method, path.format(uuid4()), headers, "{}")
        # A service has another code for what it does not find.
        if (answer.status, answer.body.get("code")) != (404, "not_found"):
            opened.append(f"{method} {path.format('ID')}")
    return ", ".join(opened)


@external(
    "errors",
    "errors are application/problem+json (RFC 9457)",
    "Is something in front of the gateway, or a location without its includes?",
)
def errors(site: Site) -> Fault:
    json_type = {"Content-Type": "application/json"}
    answers = {
        "an unknown path": site.get("/nowhere"),
        "no token": site.get("/api/v1/users/me"),
        "malformed JSON": site.send("POST", "/api/v1/auth/login", json_type, "{"),
        "a wrong method": site.send("TRACE", "/api/v1/users/me"),
    }
    return ", ".join(what for what, answer in answers.items() if not is_problem(answer))


def is_problem(answer: Reply) -> bool:
    kind = answer.header("Content-Type").partition(";")[0]
    return kind == "application/problem+json" and set(answer.body) >= PROBLEM


@external(
    "headers",
    "security headers are there once, and no version is (GW-12)",
    "nginx/includes/api.conf sets them; nothing else should.",
)
def security_headers(site: Site) -> Fault:
    """On an answer of a service, and on one of the gateway itself."""
    wrong = set()
    for path in ("/api/v1/users/me", "/nowhere"):
        answer = site.get(path)
        wrong |= {
            name for name, right in HEADERS.items() if answer.header(name) != right
        }
        wrong |= {"Server"} if re.search(r"\d", answer.header("Server")) else set()
        wrong |= {"X-Powered-By"} if answer.header("X-Powered-By") else set()
    return ", ".join(sorted(wrong))


@external(
    "cors",
    "an unknown origin may read nothing",
    "CORS_ALLOWED_ORIGINS is a list of exact origins.",
)
def foreign_origin(site: Site) -> Fault:
    answer = site.get("/api/v1/users/me", Origin="https://doctor.invalid")
    return answer.header("Access-Control-Allow-Origin")


@external(
    "hosts",
    "requests for other hosts are refused",
    "GATEWAY_SERVER_NAMES and ALLOWED_HOSTS list the names of the public URL.",
)
def unknown_host(site: Site) -> Fault:
    status = site.get("/api/v1/auth/health/live", Host="doctor.invalid").status
    return "" if status >= 400 else str(status)


@external(
    "cookie",
    "the refresh cookie has its name and its flags (COOK-01)",
    "COOKIE_SECURE=true behind https; nothing between may change Set-Cookie.",
)
def refresh_cookie(site: Site) -> Fault:
    """As the one shows that clears it, after an invalid token."""
    found = ""
    for name in ("__Secure-refresh_token", "refresh_token"):
        cookie = {"Cookie": f"{name}=doctor"}
        answer = site.send("POST", "/api/v1/auth/refresh", cookie)
        found = found or answer.header("Set-Cookie")
    flags = {part.strip().lower() for part in found.split(";")[1:]}
    wanted = {"path=/api/v1/auth", "httponly", "samesite=strict"}
    if site.is_https or not site.is_local:
        wanted |= {"secure"}
        flags -= set() if found.startswith("__Secure-") else {"secure"}
    wrong = sorted(wanted - flags) + [f for f in flags if f.startswith("domain")]
    return ", ".join(wrong)


@external(
    "tls",
    "no other machine can listen (GW-13)",
    "GATEWAY_TLS_CERTIFICATE, or a TLS proxy: docs/operations/deployment.md",
)
def encryption(site: Site) -> Fault:
    if not site.over_tls:
        return "" if site.is_local or site.is_https else "it is plain http"
    if site.port:
        return ""
    with contextlib.closing(site.connection()) as connection:
        connection.connect()
        wire = connection.sock
        assert isinstance(wire, ssl.SSLSocket)  # for the type checker
        names = wire.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(names["notAfter"]))
    days = int((ends - time.time()) / 86400)
    return Note(f"the certificate ends in {days} days") if days < SOON else ""


@external(
    "hsts",
    "HSTS holds for a year (GW-12)",
    "Strict-Transport-Security: max-age=31536000; includeSubDomains",
)
def hsts(site: Site) -> Fault:
    if not site.over_tls:
        return None
    value = site.get("/nowhere").header("Strict-Transport-Security")
    age = value.partition("max-age=")[2].partition(";")[0]
    return "" if age.isdigit() and int(age) >= YEAR else value or "it is missing"


@external("plain_http", "plain http is refused", "Refuse it (426), or close the port.")
def plain_http(site: Site) -> Fault:
    """A redirect would come after the password was sent."""
    if not site.over_tls:
        return None
    own = site.connection()
    ports = {own.port, *([] if site.port else [PLAIN_PORT])}
    statuses = {port: plain_status(site, own.host, port) for port in sorted(ports)}
    served = {p: s for p, s in statuses.items() if s and s not in REFUSED}
    return ", ".join(f"port {port} answers {status}" for port, status in served.items())


def plain_status(site: Site, host: str, port: int) -> int | None:
    """Of the API over plain http; None where the port does not speak it."""
    connection = http.client.HTTPConnection(host, port, timeout=3.0)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/api/v1/users/me", headers={"Host": site.host})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None


@external(
    "schema",
    "the OpenAPI documents are open or closed as DOCS_ENABLED says",
    "nginx/services/ has a location for openapi.json; restart the service.",
)
def schemas(site: Site) -> Fault:
    services = site.docs or {"auth": True, "users": True}
    status = {s: site.get(f"/api/v1/{s}/openapi.json").status for s in services}
    if site.docs is None:
        return Note(", ".join(f"{s} answers {code}" for s, code in status.items()))
    wanted = {service: 200 if docs else 404 for service, docs in services.items()}
    return ", ".join(f"{s}: {status[s]}" for s in services if status[s] != wanted[s])
