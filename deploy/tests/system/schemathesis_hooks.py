"""Hooks of the Schemathesis run: real credentials, and a tally of the answers.

Generated data alone would never log in. So every fourth request of an operation is made
a good one; the others stay as they were generated.
"""

import json
import os
import secrets
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st

from deploy.tests.client import PASSWORD, TestUser
from deploy.tests.stack import System

SYSTEM = System(os.environ["MEMO_STACK"])
TALLY = Path(os.environ["SCHEMATHESIS_TALLY"])
CHANGE_PASSWORD = "POST /api/v1/users/me/change_password"
LOGOUT_ALL = "POST /api/v1/auth/logout_all"
INTROSPECT = "POST /api/v1/auth/introspect"
END_SESSION = "DELETE /api/v1/auth/sessions/{session_id}"

# It continues from run to run, so keys are strings, as JSON has them.
tally: dict[str, Counter[str]] = defaultdict(Counter)
if TALLY.exists():
    tally.update({k: Counter(v) for k, v in json.loads(TALLY.read_text()).items()})
calls: Counter[str] = Counter()


def new_user() -> TestUser:
    user = TestUser(SYSTEM)
    assert user.register().ok
    return user


# One for most operations; one whose password goes back and forth; one who logs in for
# every request, with so many sessions, some of which it ends, that the cap ends others.
regular, changing, restless = new_user(), new_user(), new_user()
CALLERS = {CHANGE_PASSWORD: changing, LOGOUT_ALL: restless, END_SESSION: restless}


def log_in(user: TestUser) -> TestUser:
    """If it has to: ids of answers are tried elsewhere, and `sessions/revoke` may have
    ended the session."""
    if user is restless or not user.verify().ok:
        assert user.log_in().ok
    return user


def good_body(label: str) -> Any:
    """A body that the operation accepts."""
    login = {"email": restless.email, "password": PASSWORD}
    match label:
        case "POST /api/v1/auth/login" | "POST /api/v1/users/verify":
            return login
        case "POST /api/v1/auth/logout_all":
            return {"keep_current": False}
        case "POST /api/v1/auth/verify_token":
            return {"token": log_in(regular).access}
        case "POST /api/v1/auth/introspect":
            return {"token": log_in(regular).access, "token_type_hint": "access_token"}
        case "POST /api/v1/users":
            user = TestUser(SYSTEM)
            names = {"username": user.name, "email": user.email}
            return {**names, "password": PASSWORD}
        case "PATCH /api/v1/users/me":
            return {"display_name": secrets.token_hex(6)}
        case "POST /api/v1/users/me/change_password":
            new = {PASSWORD: PASSWORD[::-1], PASSWORD[::-1]: PASSWORD}
            old = changing.password
            return {"current_password": old, "new_password": new[old]}


@schemathesis.hook
def before_generate_case(context: Any, strategy: Any) -> Any:
    """Unknown query parameters: an operation without input has one case otherwise."""
    unknown = st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=9))

    def with_query(case: Any, extra: dict[str, str]) -> Any:
        case.query = {**(case.query or {}), **extra}
        return case

    return st.builds(with_query, strategy, unknown)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Make every fourth case of an operation a good one."""
    label = case.operation.label
    calls[label] += 1
    if calls[label] % 4 or case.method.upper() != label.partition(" ")[0]:
        return
    caller = log_in(CALLERS.get(label, regular))
    case.headers["Authorization"] = f"Bearer {caller.access}"
    case.headers["X-Internal-Api-Key"] = SYSTEM.api_key(
        "auth" if "/auth/" in label else "users"
    )
    case.headers["Accept"] = "application/json"
    body = good_body(label)
    if body is not None:
        case.body, case.media_type = body, "application/json"
        case.headers.pop("Content-Type", None)
    if label == INTROSPECT:
        case.media_type = "application/x-www-form-urlencoded"
        # Of its two ways of authenticating, one.
        del case.headers["Authorization"]
    if label == "POST /api/v1/auth/refresh":
        # Of a session of its own: rotating it twice would end it.
        case.cookies = {"refresh_token": log_in(restless).cookie}
    if label == END_SESSION:
        case.path_parameters = {"session_id": restless.sid}
    if "{user_id}" in label:
        user_id = regular.me().json()["id"]
        # The id of a session is any: it is looked for, and nothing is ended.
        case.path_parameters = {**case.path_parameters, "user_id": user_id}


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count the answers by operation, for the test to read."""
    tally[case.operation.label][str(response.status_code)] += 1
    if case.operation.label == CHANGE_PASSWORD and response.status_code == 204:
        changing.password = case.body["new_password"]
    TALLY.write_text(json.dumps(tally))
