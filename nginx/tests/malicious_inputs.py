"""Requests that try their luck: what the suites of the gateway, of the whole system and
of the attacks all send."""

# ---- Routes ------------------------------------------------------------------------

ANY_ID = "2f1c3b0e-6d52-4b5e-9d7a-0a4d3a1b2c3d"
# What services ask each other; outside it does not exist (S2S-02).
WITHOUT_SLASH = [
    "/api/v1/auth/verify_token",
    "/api/v1/auth/introspect",
    "/api/v1/auth/sessions/revoke",
    f"/api/v1/auth/users/{ANY_ID}/sessions",
    f"/api/v1/auth/users/{ANY_ID}/sessions/{ANY_ID}/revoke",
    f"/api/v1/auth/users/{ANY_ID}/stored_sessions",
    f"/api/v1/auth/users/{ANY_ID}/erase",
    "/api/v1/users/verify",
    "/api/v1/users/lookup",
    f"/api/v1/users/{ANY_ID}",
    f"/api/v1/users/{ANY_ID}/end_sessions",
    "/api/v1/users/me/end_sessions",
    f"/api/v1/users/{ANY_ID}/factors",
    f"/api/v1/users/{ANY_ID}/factors/verify",
    f"/api/v1/users/{ANY_ID}/factors/enrol",
    "/api/v1/users/me/factors/verify",
    "/api/v1/users/passkeys/verify",
    "/api/v1/auth/internal/openapi.json",
    "/api/v1/users/internal/openapi.json",
    "/api/v1/auth/metrics",
    "/api/v1/users/metrics",
]
INTERNAL = [path + slash for path in WITHOUT_SLASH for slash in ("", "/")]

# Other ways of writing a path (GW-10).
MALICIOUS_PATHS = [
    "//api/v1/auth/verify_token",
    "/api/v1/auth//verify_token",
    "/api/v1/auth/login/../verify_token",
    "/.well-known/../api/v1/auth/introspect",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/",
    "/.well-known/oauth-authorization-server/jwks.json",
    "/api/v1/auth/verify_token/../login",
    "/api/v1/auth/verify_token/%2e%2e/login",
    "/api/v1/auth/verify_token%2f..%2flogin",
    "/api/v1/auth/verify_token/..%2flogin",
    "/api/v1/auth/./login",
    "/api/v1//auth/login",
    "/api/v1/auth/login//",
    "/api/v1/auth/login/.",
    "/api/v1/auth/login.",
    "/api/v1/auth/login;/verify_token",
    "/api/v1/auth/..;/verify_token",
    "/api/v1/auth/%6cogin",
    "/api/v1/auth/login%0a",
    "/api/v1/auth/login%00",
    "/api/v1/auth/login%2f",
    "/api/v1/auth/sessions/../sessions/revoke",
    f"/api/v1/auth/sessions/revoke/{ANY_ID}",
    f"/api/v1/auth/sessions/{ANY_ID}/revoke",
    "/api/v1/auth/login#/../verify_token",
    "/api/v1/auth/verify_token%23/../login",
    "/api/v1/auth\\login",
    "/API/V1/AUTH/LOGIN",
    "/admin/../api/v1/users/verify",
    "/api/v1/users/verify/../../../../admin/",
    "/api/v1/users/verify/..%2f..%2f..%2f..%2fadmin/",
    "/static/../api/v1/users/verify",
    "/static/..%2fconf/gateway.conf",
    "/static../conf/gateway.conf",
    "/.problem",
    "/../api/v1/auth/login",
]

# ---- Headers -----------------------------------------------------------------------

# GW-02, and some that frameworks have obeyed at one time or another.
FORGED = [
    "X-Internal-Api-Key", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
    "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "Forwarded",
    "X-Real-IP", "X-Request-ID", "X-User-Id", "X-Original-URL", "X-Rewrite-URL",
    "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Proxy",
    "Script-Name", "Path-Info", "Remote-User", "X-Remote-User", "True-Client-IP",
    "X-Scheme", "Via", "X-Accel-Redirect", "X-Sendfile-Type", "Accept-Encoding",
    "TE", "Trailer", "Upgrade", "Range",
]  # fmt: skip

# ---- Framing -----------------------------------------------------------------------

# After a request line and a Host: two programs could read these differently (GW-11).
FRAMINGS = {
    "CL.TE": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE.CL": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "xchunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE.TE": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "list": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "VT chunked": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "two CL": b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "CL.CL": b"Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}",
    "signed CL": b"Content-Length: +2\r\n\r\n{}",
    "list CL": b"Content-Length: 2, 2\r\n\r\n{}",
    "hexadecimal CL": b"Content-Length: 0x2\r\n\r\n{}",
    "bare CR": b"Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\n{}\r\n0\r\n\r\n",
    "bad chunk size": b"Transfer-Encoding: chunked\r\n\r\nz\r\n{}\r\n",
    "negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "CR in a header": b"X: a\rContent-Length: 2\r\n\r\n{}",
    "NUL in a header": b"X: a\x00b\r\n\r\n",
}
