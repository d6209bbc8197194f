"""FastAPI with asyncpg, PyJWT and redis-py: the caller's account, and verification."""

import json
import os
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import jwt
import redis.asyncio as redis
from fastapi import Body, FastAPI, Header, HTTPException
from pydantic import BaseModel

ISSUER, AUDIENCE = os.environ["JWT_ISSUER"], "memo"
KEYS = {
    key.key_id: key.key
    for key in jwt.PyJWKSet.from_dict(json.loads(os.environ["JWKS"])).keys
}
SELECT_USER = os.environ["SELECT_USER"].replace("%s", "$1")


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


class Verified(BaseModel):
    valid: bool = True
    user_id: UUID
    email: str
    username: str
    roles: list[str]
    sid: UUID
    exp: int


pool = asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=9)
sessions = redis.Redis.from_url(os.environ["REDIS_URL"])


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with pool:
        yield


application = FastAPI(lifespan=lifespan)


async def claims_of(token: str) -> dict:
    try:
        key = KEYS[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER
        )
    except (jwt.InvalidTokenError, KeyError) as exc:
        raise HTTPException(401) from exc
    if await sessions.get(f"session:{claims['sid']}") != b"active":
        raise HTTPException(401)
    return claims


@application.get("/api/v1/users/me")
async def me(authorization: Annotated[str, Header()]) -> User:
    claims = await claims_of(authorization.removeprefix("Bearer "))
    row = await pool.fetchrow(SELECT_USER, claims["sub"])
    return User(**row)


@application.post("/api/v1/auth/verify_token")
async def verify(token: Annotated[str, Body(embed=True)]) -> Verified:
    claims = await claims_of(token)
    return Verified(user_id=claims["sub"], **claims)
