"""The routes that every service has."""

import pytest

from shared.api.urls import common


@pytest.mark.parametrize("enabled", [True, False])
def test_schema_and_docs_can_be_switched_off(settings, enabled):
    """GW-16."""
    settings.DOCS_ENABLED = enabled

    names = {route.name for route in common("api/v1/test")}

    assert names == {"live", "ready"} | ({"schema", "docs"} if enabled else set())
