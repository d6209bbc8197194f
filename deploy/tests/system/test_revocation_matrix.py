"""After each act of docs/revocation.md, every cell holds within its bound."""

import math
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jwt
import pytest

from deploy.tests.admin_site import Operator
from deploy.tests.client import TestUser, claims_of
from deploy.tests.stack import ROOT, System, wait_until
from deploy.tests.third_service import ThirdService

PAGE = ROOT / "docs" / "revocation.md"
NEW_PASSWORD = "a newer horse battery"
LEEWAY = 10  # seconds
PATIENCE = 60  # seconds; what takes longer is reckoned


def documented() -> dict[str, dict[str, str]]:
    """The table: act to column to cell."""
    text = PAGE.read_text().partition("| act |")
    table = "".join(text[1:]).partition("\n\n")[0]
    lines = re.findall(r"^\| (.*) \|$", table, re.M)
    head, *rows = (re.split(r" \| ", line) for line in lines)
    return {act: dict(zip(head[1:], cells, strict=True)) for act, *cells in rows}


@dataclass
class Scene:
    """A user on two devices, an operator, and a third service."""

    system: System
    here: TestUser
    other: TestUser
    operator: Operator
    third: ThirdService

    def __post_init__(self) -> None:
        """Everything works, and every cache has seen it."""
        self.user = self.here.me().json()
        self.kid = jwt.get_unverified_header(self.here.access)["kid"]
        self.role = f"role-{secrets.token_hex(4)}"
        for device in (self.here, self.other):
            assert device.me().ok
            assert device.verify().ok
            assert self.third.who(device.access).ok

    def devices(self) -> dict[str, TestUser]:
        return {"here": self.here, "other": self.other}

    def doors(self) -> dict[str, Callable[[], bool]]:
        """By column: whether being logged in still counts there."""
        found: dict[str, Callable[[], bool]] = {}
        for name, device in self.devices().items():
            token = device.access
            found |= {
                f"access {name}": partial(self.knows, device, token),
                f"third service, {name}": lambda t=token: counts(self.third.who(t)),
                f"refresh {name}": lambda d=device: counts(d.refresh()),
            }
        return found

    def knows(self, device: TestUser, token: str) -> bool:
        return counts(device.me(token), device.verify(token))

    def doors_of_old_roles(self) -> dict[str, Callable[[], bool]]:
        """By column: whether the token there names the old roles."""
        found: dict[str, Callable[[], bool]] = {}
        for name, device in self.devices().items():
            token = device.access
            found |= {
                f"access {name}": partial(self.is_old, token),
                f"third service, {name}": partial(self.is_old_for_third, token),
                f"refresh {name}": partial(self.is_old_after_refresh, device),
            }
        return found

    def is_old(self, token: str) -> bool:
        return self.role not in claims_of(token)["roles"]

    def is_old_for_third(self, token: str) -> bool:
        return self.role not in self.third.who(token).json()["roles"]

    def is_old_after_refresh(self, device: TestUser) -> bool:
        assert device.refresh().ok
        return self.is_old_for_third(device.access)


def counts(*answers: Any) -> bool:
    """Whether any of these doors still opens. All say either yes or that it is over."""
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 401}, [answer.text for answer in answers]
    return 200 in statuses


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
    "roles changed": lambda s: s.operator.give_role(s.user, s.role),
    "admin: log out everywhere": lambda s: s.operator.act("end_sessions", s.user["id"]),
    "admin: revoke the other session": lambda s: s.operator.revoke_session(
        s.user["id"], s.other.sid
    ),
    "signing key revoked": lambda s: s.system.run("keys", "revoke", s.kid),
}


@pytest.fixture
def scene(
    system: System, user: TestUser, operator: Operator, third: ThirdService
) -> Scene:
    other = TestUser(system, user.name)
    assert other.log_in().ok
    return Scene(system, user, other, operator, third)


def test_every_act_of_the_table_is_tried() -> None:
    table = documented()
    assert table.keys() == ACTS.keys()
    assert all(
        re.fullmatch(r"[0-9]+ s|continues", c)
        for r in table.values()
        for c in r.values()
    )


@pytest.mark.parametrize("act", ACTS)
def test_every_cell_is_as_documented(act: str, scene: Scene) -> None:
    of_roles = act == "roles changed"
    doors = scene.doors_of_old_roles() if of_roles else scene.doors()
    row = documented()[act]
    assert row.keys() == doors.keys()
    ACTS[act](scene)
    acknowledged = time.monotonic()
    # Refresh after all else that is as quick: one that is refused would correct what
    # a lost message left.
    for column in sorted(
        row, key=lambda name: (bound_of(row[name]), "refresh" in name)
    ):
        left = bound_of(row[column]) - (time.monotonic() - acknowledged)
        if row[column] == "continues":
            assert doors[column](), f"{act}: {column} does not continue"
        elif bound_of(row[column]) > PATIENCE:
            assert longest(scene, column) <= left, f"{act}: {column}"
        else:
            wait_until(lambda door=doors[column]: not door(), left, f"{act}: {column}")


def bound_of(cell: str) -> float:
    """Seconds; what continues is looked at last."""
    return math.inf if cell == "continues" else float(cell.removesuffix(" s"))


def longest(scene: Scene, column: str) -> float:
    """Seconds for which the access token of a column can be used at most."""
    device = scene.devices()[column.split()[-1]]
    return float(claims_of(device.access)["exp"] + LEEWAY - time.time())
