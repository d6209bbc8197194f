"""The least that a Python program can do for our answers: no framework, and only checks
of the token and the session. It has our libraries, queries and gunicorn."""

import gc
import json
import os

import jwt
import redis
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

ISSUER, AUDIENCE = os.environ["JWT_ISSUER"], "memo"
KEYS = {
    key.key_id: key.key
    for key in jwt.PyJWKSet.from_dict(json.loads(os.environ["JWKS"])).keys
}

pool = ConnectionPool(
    os.environ["DATABASE_URL"],
    min_size=1,
    max_size=9,
    kwargs={"row_factory": dict_row, "autocommit": True},
)
sessions = redis.Redis.from_url(os.environ["REDIS_URL"])


def claims_of(token):
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(
        token, KEYS[kid], algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER
    )
    if sessions.get("session:" + claims["sid"]) != b"active":
        raise jwt.InvalidTokenError
    return claims


def me(environ):
    claims = claims_of(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer "))
    with pool.connection() as connection:
        return connection.execute(os.environ["SELECT_USER"], [claims["sub"]]).fetchone()


def verify(environ):
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    claims = claims_of(body["token"])
    names = ("email", "username", "roles", "sid", "exp")
    return {"valid": True, "user_id": claims["sub"], **{n: claims[n] for n in names}}


ROUTES = {"/api/v1/users/me": me, "/api/v1/auth/verify_token": verify}


def application(environ, start_response):
    try:
        status, answer = "200 OK", ROUTES[environ["PATH_INFO"]](environ)
    except jwt.InvalidTokenError:
        status, answer = "401 Unauthorized", {"code": "token_invalid"}
    body = json.dumps(answer, default=str).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


gc.freeze()  # as our services do
