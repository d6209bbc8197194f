"""The Auth Service against the model of its design: docs/testing.md.

`./manage_all.sh model` runs it for longer, from any seed, and injects every fault.
"""

import inspect
import os
import time
import tomllib
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from .deep_machine import TERMS, DeepMachine
from .in_process import InProcess
from .machine import COUNTS
from .records import SECOND

STEPS = 50  # rules in a row before all begins again
SEED = int(os.environ.get("MODEL_SEED", "5"))
RULES = int(os.environ.get("MODEL_RULES", "1000"))
# Rules within which an injected fault has to be found.
PATIENCE = 50_000
FAULTS = tomllib.loads(Path(__file__).with_name("faults.toml").read_text())["fault"]
PROOF = FAULTS if "MODEL_FAULTS" in os.environ else FAULTS[:1]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def driver(settings, trusted_kid):
    settings.ACCESS_TOKEN_LIFETIME = TERMS.access // SECOND
    settings.REFRESH_TOKEN_LIFETIME = TERMS.refresh // SECOND
    settings.SESSION_ABSOLUTE_LIFETIME = TERMS.absolute // SECOND
    settings.REFRESH_REUSE_LEEWAY = TERMS.reuse_leeway // SECOND
    settings.JWT_LEEWAY = TERMS.clock_leeway // SECOND
    settings.MAX_SESSIONS_PER_USER = TERMS.cap
    return InProcess()


def run(driver, rules, *phases):
    """So many rules, from the one seed. Raises the first difference."""

    @seed(SEED)
    class Machine(DeepMachine):
        def __init__(self) -> None:
            super().__init__(driver)

    options = settings(
        max_examples=rules // STEPS * 2,  # some end early
        stateful_step_count=STEPS,
        phases=[Phase.generate, *phases],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        deadline=None,
        database=None,
    )
    COUNTS.update(dict.fromkeys(COUNTS, 0))
    with pytest.MonkeyPatch.context() as monkeypatch, driver.installed(monkeypatch):
        run_state_machine_as_test(Machine, settings=options)


def executed():
    return sum(COUNTS.values())


@contextmanager
def injected(fault):
    """Run the module's source again, with the fault; afterwards all is as before."""
    module, line = import_module(fault["module"]), fault["line"]
    source, before = inspect.getsource(module), dict(vars(module))
    assert line in source, fault["name"]
    faulty = source.replace(line, fault["instead"])
    exec(compile(faulty, module.__file__, "exec"), vars(module))  # noqa: S102 - our own
    try:
        yield
    finally:
        vars(module).update(before)


def test_the_system_does_what_the_model_says(driver):
    run(driver, RULES, Phase.shrink)

    print(f"seed {SEED}: {executed()} rules executed, no difference")  # noqa: T201
    for name, count in sorted(COUNTS.items()):
        print(f"  {count:>7}  {name}")  # noqa: T201
    assert executed() >= RULES
    # A short run leaves out what has to be preceded by something rare.
    missing = [name for name, count in COUNTS.items() if not count]
    assert not missing or RULES < 10_000


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["name"])
def test_a_fault_can_be_planted(fault):
    with injected(fault):
        pass


@pytest.mark.parametrize("fault", PROOF, ids=lambda fault: fault["name"])
def test_a_fault_that_is_planted_is_found(driver, fault):
    """Or the run above says nothing."""
    began = time.monotonic()

    with injected(fault), pytest.raises((AssertionError, Flaky)) as found:
        run(driver, PATIENCE)

    seconds, name = time.monotonic() - began, fault["name"]
    text = str(found.value) or repr(found.value)
    difference = text.splitlines()[0][:70]  # no whole tokens
    print(f"{executed():>6} rules  {seconds:5.1f} s  {name}: {difference}")  # noqa: T201
