"""Hooks of the Schemathesis run: real credentials, and a count of the answers.

Generated data alone would never log in. So every fourth request of an operation is made
a good one; the others stay as they were generated.
"""

import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import strategies as st

from deploy.tests.client import PASSWORD, TestUser
from deploy.tests.factors import FactorUser
from deploy.tests.mailed_links import token_of
from deploy.tests.stack import System
from deploy.tests.system.clients.schemathesis_factors import (
    GUARDED,
    factor_body,
    guarded,
    ids_of,
)

SYSTEM = System(os.environ["MEMO_STACK"])
COUNTS = Path(os.environ["SCHEMATHESIS_COUNTS"])
ADDS_PASSKEY = "POST /api/v1/users/me/factors/passkeys"
DROPS_PASSWORD = "DELETE /api/v1/users/me/password"
INTROSPECT = "POST /api/v1/auth/introspect"

# It continues from run to run, so keys are strings, as JSON has them.
counts: dict[str, Counter[str]] = defaultdict(Counter)
if COUNTS.exists():
    counts.update({k: Counter(v) for k, v in json.loads(COUNTS.read_text()).items()})
calls: Counter[str] = Counter()
users: list[TestUser] = []
users_with_factors: list[FactorUser] = []


def logged_in() -> TestUser:
    """A user, who is a new one where a request has ended the last one's session."""
    if not (users and users[-1].verify().ok):
        users.append(TestUser(SYSTEM))
        assert users[-1].register().ok
        assert users[-1].log_in().ok
    return users[-1]


def good_body(label: str, user: TestUser) -> Any:
    """A body that the operation accepts of this user."""
    match label:
        case "POST /api/v1/auth/login" | "POST /api/v1/users/verify":
            return {"email": user.email, "password": PASSWORD}
        case "POST /api/v1/auth/logout_all":
            return {"keep_current": False}
        case "POST /api/v1/auth/verify_token" | "POST /api/v1/auth/introspect":
            return {"token": user.access}
        case "POST /api/v1/users":
            new = TestUser(SYSTEM)
            names = {"username": new.name, "email": new.email}
            return {**names, "password": PASSWORD}
        case "PATCH /api/v1/users/me":
            return {"display_name": user.name}
        case "POST /api/v1/users/me/change_email":
            other = TestUser(SYSTEM).email
            return {"new_email": other, "current_password": user.password}
        case (
            "POST /api/v1/users/password_reset"
            | "POST /api/v1/users/verify_email/resend"
        ):
            return {"email": user.email}
        case "POST /api/v1/users/me/change_password":
            users.clear()
            return {"current_password": PASSWORD, "new_password": PASSWORD[::-1]}
        case "DELETE /api/v1/users/me":
            users.clear()
            return {"current_password": PASSWORD}
        case "POST /api/v1/users/restore":
            users.clear()
            assert user.delete().ok
            return {"token": token_of(SYSTEM, user.email, "restore")}


@schemathesis.hook
def before_generate_case(context: Any, strategy: Any) -> Any:
    """Unknown query parameters: an operation without input has one case otherwise. Not
    more than fit: a longer line is refused by gunicorn itself."""
    unknown = st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=9))

    def with_query(case: Any, extra: dict[str, str]) -> Any:
        case.query = {**(case.query or {}), **extra}
        return case

    def fits(case: Any) -> bool:
        return len(urlencode(case.query, doseq=True)) < 3000

    return st.builds(with_query, strategy, unknown).filter(fits)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Make every fourth case of an operation a good one."""
    label = case.operation.label
    calls[label] += 1
    if calls[label] % 4 or case.method.upper() != label.partition(" ")[0]:
        return
    user = guarded(SYSTEM, users_with_factors) if label in GUARDED else logged_in()
    case.headers["Authorization"] = f"Bearer {user.access}"
    case.headers["X-Internal-Api-Key"] = SYSTEM.api_key(
        "auth" if "/auth/" in label else "users"
    )
    case.headers["Accept"] = "application/json"
    case.query.pop("before", None)  # opaque: only a page of events has a good one
    body = good_body(label, user) or factor_body(label, user)
    if label == ADDS_PASSKEY:  # whose user can add no other one by this session
        users.clear()
    if label == DROPS_PASSWORD:  # whose user logs in with none from then on
        users_with_factors.clear()
    if body is not None:
        case.body, case.media_type = body, "application/json"
        case.headers.pop("Content-Type", None)
    if label == INTROSPECT:
        case.media_type = "application/x-www-form-urlencoded"
        # Of its two ways of authenticating, one.
        del case.headers["Authorization"]
    if label == "POST /api/v1/auth/refresh":
        case.cookies = {"refresh_token": user.cookie}
    case.path_parameters = {**(case.path_parameters or {}), **ids_of(label, user)}


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count the answers by operation, for the test to read."""
    counts[case.operation.label][str(response.status_code)] += 1
    COUNTS.write_text(json.dumps(counts))
