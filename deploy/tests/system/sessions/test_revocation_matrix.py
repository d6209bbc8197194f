"""After each act of docs/revocation.md, every cell holds within its bound."""

import math
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from deploy.tests.admin_site import USERS, Operator
from deploy.tests.client import claims_of, code_of
from deploy.tests.extra_services import ThirdService
from deploy.tests.factors import FactorUser, enrolled, reset_factors
from deploy.tests.stack import ROOT, wait_until

PAGE = ROOT / "docs" / "revocation.md"
NEW_PASSWORD = "a newer horse battery"
LEEWAY = 10  # seconds
PATIENCE = 60  # seconds; what takes longer is reckoned
COLUMNS = {
    f"{door} {device}"
    for door in ("access", "third service,", "refresh")
    for device in ("here", "other")
}


def documented(head: str = "| act | access here") -> dict[str, dict[str, str]]:
    """The table that begins like this: act to column to cell."""
    text = PAGE.read_text().partition(head)
    table = "".join(text[1:]).partition("\n\n")[0]
    lines = re.findall(r"^\| (.*) \|$", table, re.M)
    head, *rows = (re.split(r" \| ", line) for line in lines)
    return {act: dict(zip(head[1:], cells, strict=True)) for act, *cells in rows}


@dataclass
class Scene:
    """A user on two devices, an operator, and a third service."""

    here: FactorUser
    other: FactorUser
    operator: Operator
    third: ThirdService

    def __post_init__(self) -> None:
        """Everything works, and every cache has seen it."""
        self.devices = {"here": self.here, "other": self.other}
        self.tokens = {name: device.access for name, device in self.devices.items()}
        self.user = self.here.me().json()
        self.kid = jwt.get_unverified_header(self.here.access)["kid"]
        self.role = f"role-{secrets.token_hex(4)}"
        assert all(self.opens(column) for column in COLUMNS if "refresh" not in column)

    def opens(self, column: str) -> bool:
        """Whether being logged in still counts there."""
        name = column.split()[-1]
        device, token = self.devices[name], self.tokens[name]
        if column.startswith("access"):
            return counts(device.me(token), device.verify(token))
        if column.startswith("third"):
            return counts(self.third.who(token))
        return counts(device.refresh())

    def has_old_roles(self, column: str) -> bool:
        """Whether the token there names the old roles."""
        name = column.split()[-1]
        device, token = self.devices[name], self.tokens[name]
        if column.startswith("access"):
            return self.role not in claims_of(token)["roles"]
        if column.startswith("refresh"):
            assert device.refresh().ok
            token = device.access
        return self.role not in self.third.who(token).json()["roles"]

    def longest(self, column: str) -> float:
        """Seconds for which the access token of a column can be used at most."""
        token = self.tokens[column.split()[-1]]
        return float(claims_of(token)["exp"] + LEEWAY - time.time())


def counts(*answers: Any) -> bool:
    """Whether any of these doors still opens. All say either yes or that it is over."""
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 401}, [answer.text for answer in answers]
    return 200 in statuses


def reset_by_operator(scene: Scene) -> None:
    identifier = scene.user["id"]
    scene.operator.submit(f"{USERS}{identifier}/factors/", reason="seen at the desk")
    assert reset_factors(scene.here.system, identifier)


ACTS: dict[str, Callable[[Scene], Any]] = {
    "logout": lambda s: s.here.log_out(),
    "logout everywhere": lambda s: s.here.log_out_all(),
    "logout everywhere else": lambda s: s.here.log_out_all(keep_current=True),
    "end another session": lambda s: s.here.end_session(s.other.sid),
    "password changed by the user": lambda s: s.here.change_password(NEW_PASSWORD),
    "password changed by an operator": lambda s: s.operator.set_password(
        s.user["id"], NEW_PASSWORD
    ),
    "user deactivated": lambda s: s.operator.act("deactivate", s.user["id"]),
    "user deleted": lambda s: s.operator.act("soft_delete", s.user["id"]),
    "first factor added": lambda s: s.here.add_totp(),
    "factor removed": lambda s: s.here.remove("totp"),
    "password dropped": lambda s: s.here.drop_password(),
    "factors reset by an operator": reset_by_operator,
    "roles changed": lambda s: s.operator.give_role(s.user, s.role),
    "admin: log out everywhere": lambda s: s.operator.act("end_sessions", s.user["id"]),
    "admin: revoke the other session": lambda s: s.operator.revoke_session(
        s.user["id"], s.other.sid
    ),
    "signing key revoked": lambda s: s.here.system.run("keys", "revoke", s.kid),
}
PROTECTED = {"factor removed", "password dropped", "factors reset by an operator"}
WITHOUT_END: dict[str, Callable[[Scene], Any]] = {
    "another factor added": lambda s: s.here.add_passkey(),
    "new recovery codes": lambda s: s.here.new_codes(),
}


@pytest.fixture
def scene(act, system, operator, third):
    """Of users with factors, where the act is about those."""
    here = FactorUser(system)
    if act in PROTECTED:
        enrolled(here)
        other = here.elsewhere()
        assert other.log_in_with("totp").ok
    else:
        assert here.register().ok
        assert here.log_in().ok
        other = here.elsewhere()
        assert other.log_in().ok
    return Scene(here, other, operator, third)


def test_every_act_of_the_table_is_tried():
    table = documented()
    assert table.keys() == ACTS.keys()
    assert all(row.keys() == COLUMNS for row in table.values())
    cells = [cell for row in table.values() for cell in row.values()]
    assert all(re.fullmatch(r"[0-9]+|continues", cell) for cell in cells)


# The keys are fetched twice a minute.
SLOW = pytest.param("signing key revoked", marks=pytest.mark.verify)


@pytest.mark.parametrize("act", [SLOW if act in SLOW.values else act for act in ACTS])
def test_every_cell_is_as_documented(act, scene):
    still = scene.has_old_roles if act == "roles changed" else scene.opens
    row = documented()[act]
    ACTS[act](scene)
    acknowledged = time.monotonic()
    # Refresh after all else that is as quick: one that is refused would correct what a
    # lost message left. What continues is looked at last.
    for column in sorted(
        row, key=lambda name: (bound_of(row[name]), "refresh" in name)
    ):
        left = bound_of(row[column]) - (time.monotonic() - acknowledged)
        if row[column] == "continues":
            assert still(column), f"{act}: {column} does not continue"
        elif bound_of(row[column]) > PATIENCE:
            assert scene.longest(column) <= left, f"{act}: {column}"
        else:
            ended = lambda name=column: not still(name)  # noqa: E731
            wait_until(ended, left, f"{act}: {column}")


TRUST = documented("| act | asked")


@pytest.mark.parametrize("act", TRUST)
def test_a_trusted_device_is_asked_again_as_documented(protected, operator, third, act):
    user = protected.elsewhere()
    assert user.log_in_with("totp", trust_device=True).ok
    other = protected.elsewhere()
    assert other.log_in_with("recovery_code").ok
    scene = Scene(user, other, operator, third)
    (ACTS | WITHOUT_END)[act](scene)
    user.password = NEW_PASSWORD if act.startswith("password") else user.password
    answer = user.log_in()
    assert (answer.status_code == 401) == (TRUST[act]["asked"] == "yes")
    assert answer.ok or code_of(answer) == "second_factor_required"


def bound_of(cell: str) -> float:
    """Seconds."""
    return math.inf if cell == "continues" else float(cell)
