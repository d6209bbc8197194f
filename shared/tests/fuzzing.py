"""Fuzzing: what hypothesis makes, a little in every run of a suite and always the same;
with `./manage_all.sh fuzz` much, and by chance (docs/testing.md)."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

Test = TypeVar("Test", bound=Callable[..., None])

EXAMPLES = 100  # in a suite
# Set by the command: how many there, by the seed that it gives.
MORE = os.environ.get("FUZZ_EXAMPLES")

SETTINGS = settings(
    max_examples=int(MORE or EXAMPLES),
    derandomize=MORE is None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # what they set up is the same for all
        HealthCheck.too_slow,
    ],
)


def fuzz(test: Test) -> Test:
    """Mark a test of hypothesis as one that fuzzes."""
    marked: Test = pytest.mark.fuzz(SETTINGS(test))
    return marked
