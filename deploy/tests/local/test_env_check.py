"""Settings without effect are named."""

import re
from pathlib import Path

import pytest

from deploy.local import env_check
from deploy.local.layout import Layout

OUTPUTS = {
    "auth": "names: JWT_LEEWAY MAX_SESSIONS_PER_USER",
    "users": "x\nnames: ARGON2_TIME_COST",
}


@pytest.fixture
def checkout(layout: Layout) -> Layout:
    (layout.root / "nginx").mkdir()
    (layout.root / "nginx" / "render.py").write_text('"GATEWAY_PORT", "GATEWAY_BIND"')
    return layout


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("auth_project/.env", "JWT_LEWAY=1\n", "JWT_LEWAY .* mean JWT_LEEWAY?"),
        ("auth_project/.env", "jwt_leeway=1\n", "jwt_leeway .* mean JWT_LEEWAY?"),
        ("auth_project/.env", "JWT_LEEWAY: 1\n", "line 1 is neither"),
        (
            "auth_project/.env",
            "JWT_LEEWAY=1\nJWT_LEEWAY=2\n",
            "JWT_LEEWAY is there twice",
        ),
        ("auth_project/.env", "ARGON2_TIME_COST=1\n", "users reads it"),
        ("users_project/.env", "MAX_SESSIONS_PER_USER=1\n", "auth reads it"),
        ("users_project/.env", "GATEWAY_PORT=1\n", "the gateway reads it"),
        (".env", "GATEWAY_PROT=1\n", "GATEWAY_PROT .* mean GATEWAY_PORT?"),
        # Compose passes the services' settings on from the file of the gateway.
        (".env", "COMPOSE_FILE=a\nMEMO_UID=1\nJWT_LEEWAY=1\nGATEWAY_BIND=::1\n", ""),
        ("auth_project/.env", "# a comment\n\nexport JWT_LEEWAY=1\n", ""),
        ("auth_project/.env", "NOTES_SERVICE_URL=http://x\nSOMETHING_ELSE=1\n", ""),
    ],
)
def test_a_setting_without_effect_is_named_and_no_other(
    checkout: Layout, file: str, text: str, fault: str
) -> None:
    Path(checkout.root, file).write_text(text)
    found = list(env_check.faults(checkout, OUTPUTS))
    assert len(found) == bool(fault)
    for each in found:
        assert re.match(f"{file}: .*{fault}".replace("?", r"\?"), each)
