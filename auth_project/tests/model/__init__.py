"""The sessions of the Auth Service against a model of their design (docs/model.md)."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.machine", f"{__name__}.deep_machine")
