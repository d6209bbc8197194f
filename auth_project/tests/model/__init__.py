"""The sessions of the Auth Service against a model of their design: docs/testing.md."""

import pytest

ACTS = "machine session_machine redis_forgets surroundings interleaved deep_machine"
# So that their differences are shown in full.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ACTS.split()))
