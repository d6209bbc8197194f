"""How long a refusal takes does not show whether the account exists (PWD-06, BF-04).

Real services, through both of them: logins at the Auth Service, which asks the User
Service. docs/testing.md says what this proves, and what it does not.
"""

import logging
from collections.abc import Iterator
from typing import NoReturn

import bcrypt
import pytest

from deploy.tests.client import PASSWORD
from deploy.tests.extra_services import beside, changed_copy
from deploy.tests.stack import ROOT, System
from deploy.tests.timing.login_failures import (
    argon2_of_other_costs,
    imported_logins,
    refused_logins,
    ways,
)
from deploy.tests.timing.timing_stats import Comparison, compare

LOG = logging.getLogger(__name__)  # shown by `pytest --log-level=info -rP`
CREDENTIALS = "users/credentials.py"
WITHOUT_DUMMY_HASH = (CREDENTIALS, "        User().set_password(password)\n", "")
CHECK = "    return user.check_password(password, upgrade=not is_silent)"
PRESENCE_FIRST = (
    CREDENTIALS,
    CHECK,
    f"    if not user.is_active:\n        return False\n{CHECK}",
)


@pytest.fixture(scope="module")
def leaky(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Auth Service whose User Service hashes neither for the unknown nor for the
    inactive."""
    folder = tmp_path_factory.mktemp("leaky")
    folder.chmod(0o755)
    faults = [WITHOUT_DUMMY_HASH, PRESENCE_FIRST]
    users = changed_copy("users", folder, faults)
    auth = ROOT / "auth_project"
    with (
        beside(system, "users", users, {}) as users_url,
        beside(system, "auth", auth, {"USERS_SERVICE_URL": users_url}) as auth_url,
    ):
        yield auth_url


def told(found: dict[str, Comparison]) -> str:
    return "\n".join(f"{name}: {comparison}" for name, comparison in found.items())


def undecided(found: dict[str, Comparison]) -> NoReturn:
    pytest.skip(f"UNDECIDED, this machine is too busy to tell:\n{told(found)}")


@pytest.mark.parametrize(
    ("names", "patience"),
    [
        pytest.param(("unknown",), 12, id="unknown"),
        pytest.param((), 45, id="all", marks=pytest.mark.verify),
    ],
)
def test_all_refusals_take_the_same_time(
    system: System, names: tuple[str, ...], patience: float
) -> None:
    others = ways(system.auth_url, refused_logins(system))
    standard = others.pop("wrong")
    chosen = {name: others[name] for name in names or others}
    found = compare(standard, chosen, patience)
    LOG.info(told(found))
    assert not any(comparison.different for comparison in found.values()), told(found)
    if not all(comparison.likely_equal for comparison in found.values()):
        undecided(found)


@pytest.mark.verify
def test_a_missing_hash_is_noticed(system: System, leaky: str) -> None:
    """The test above fails with the dummy hash removed, and where somebody's presence
    is asked before their password; and for no other reason."""
    others = ways(leaky, refused_logins(system))
    suspects = ("unknown", "unknown username", "inactive")
    asked = (*suspects, "right but for the end")
    found = compare(
        others["wrong"], {name: others[name] for name in asked}, patience=30
    )
    LOG.info(told(found))
    different = {name for name, comparison in found.items() if comparison.different}
    assert different <= {*suspects}, told(found)
    for name in suspects:
        assert found[name].shift.estimate < -found[name].hash_time / 2, told(found)
    if different != {*suspects}:
        undecided(found)


@pytest.mark.verify
def test_an_imported_hash_can_be_told_until_its_next_log_in(system: System) -> None:
    """A known difference (PWD-05): it takes what its own algorithm and costs take."""
    hashes = {
        "bcrypt": "bcrypt$"
        + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode(),
        "other costs": argon2_of_other_costs(),
    }
    logins = refused_logins(system)
    found = compare(
        ways(system.auth_url, logins)["wrong"],
        ways(system.auth_url, imported_logins(system, hashes)),
        patience=20,
    )
    LOG.info(told(found))
    assert not any(comparison.likely_equal for comparison in found.values()), told(
        found
    )
    if not all(comparison.different for comparison in found.values()):
        undecided(found)
