"""FastAPI with asyncpg, PyJWT and redis-py: the caller's account, and verification."""

import hmac
import os
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import asyncpg
import jwt
import redis.asyncio as redis
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

ISSUER, AUDIENCE = os.environ["JWT_ISSUER"], "memo"
API_KEY = os.environ["API_KEY"]
KEYS = {
    path.stem: jwt.algorithms.RSAAlgorithm("RS256").prepare_key(path.read_text())
    for path in Path(os.environ["JWT_PUBLIC_KEYS_DIR"]).glob("*.pem")
}
SELECT_USER = """
SELECT id, username, email, first_name, last_name, display_name, avatar_url, is_active,
       deleted_at IS NOT NULL AS is_deleted, deleted_at, created_at, updated_at,
       ARRAY(SELECT name FROM auth_group g JOIN users_user_groups m ON m.group_id = g.id
             WHERE m.user_id = u.id ORDER BY name) AS roles
FROM users_user u WHERE id = $1 AND is_active AND deleted_at IS NULL
"""


class User(BaseModel):
    id: UUID
    username: str
    email: str
    first_name: str
    last_name: str
    display_name: str
    avatar_url: str
    is_active: bool
    is_deleted: bool
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime
    roles: list[str]


class Token(BaseModel):
    token: str


class Verified(BaseModel):
    valid: bool = True
    user_id: UUID
    email: str
    username: str
    roles: list[str]
    sid: UUID
    exp: int


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.pool = await asyncpg.create_pool(
        os.environ["DATABASE_DSN"], min_size=1, max_size=9
    )
    app.state.redis = redis.Redis.from_url(
        os.environ["REDIS_URL"], password=os.environ["REDIS_PASSWORD"]
    )
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


async def claims_of(token: str) -> dict:
    try:
        key = KEYS[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER
        )
    except (jwt.InvalidTokenError, KeyError) as exc:
        raise HTTPException(401) from exc
    if await app.state.redis.get(f"session:{claims['sid']}") != b"active":
        raise HTTPException(401)
    return claims


async def caller(authorization: Annotated[str, Header()]) -> dict:
    return await claims_of(authorization.removeprefix("Bearer "))


@app.get("/api/v1/users/me")
async def me(claims: Annotated[dict, Depends(caller)]) -> User:
    row = await app.state.pool.fetchrow(SELECT_USER, claims["sub"])
    return User(**row)


@app.post("/api/v1/auth/verify_token")
async def verify(
    body: Token, x_internal_api_key: Annotated[str, Header()] = ""
) -> Verified:
    if not hmac.compare_digest(x_internal_api_key, API_KEY):
        raise HTTPException(401)
    claims = await claims_of(body.token)
    return Verified(user_id=claims["sub"], **claims)
