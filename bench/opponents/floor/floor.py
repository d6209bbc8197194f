"""The floor: the least a Python program can do for our answers. No framework, and no
checks but those of token and session; the same libraries, queries and gunicorn."""

import hmac
import json
import os
from pathlib import Path

import jwt
import redis
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

ISSUER, AUDIENCE = os.environ["JWT_ISSUER"], "memo"
API_KEY = os.environ["API_KEY"]
RSA = jwt.algorithms.RSAAlgorithm
KEYS = {
    path.stem: RSA(RSA.SHA256).prepare_key(path.read_text())
    for path in Path(os.environ["JWT_PUBLIC_KEYS_DIR"]).glob("*.pem")
}
SELECT_USER = """
SELECT id, username, email, first_name, last_name, display_name, avatar_url, is_active,
       deleted_at IS NOT NULL AS is_deleted, deleted_at, created_at, updated_at,
       ARRAY(SELECT name FROM auth_group g JOIN users_user_groups m ON m.group_id = g.id
             WHERE m.user_id = u.id ORDER BY name) AS roles
FROM users_user u WHERE id = %s AND is_active AND deleted_at IS NULL
"""

pool = None
sessions = redis.Redis.from_url(
    os.environ["REDIS_URL"], password=os.environ["REDIS_PASSWORD"]
)


def connections():
    """Opened in the worker, not in gunicorn's parent."""
    global pool
    if pool is None:
        pool = ConnectionPool(
            os.environ["DATABASE_DSN"],
            min_size=1,
            max_size=9,
            kwargs={"row_factory": dict_row, "autocommit": True},
            open=True,
        )
    return pool


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
    with connections().connection() as connection:
        return connection.execute(SELECT_USER, [claims["sub"]]).fetchone()


def verify(environ):
    if not hmac.compare_digest(environ["HTTP_X_INTERNAL_API_KEY"], API_KEY):
        raise jwt.InvalidTokenError
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    claims = claims_of(body["token"])
    told = {n: claims[n] for n in ("email", "username", "roles", "sid", "exp")}
    return {"valid": True, "user_id": claims["sub"], **told}


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
