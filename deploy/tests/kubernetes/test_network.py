"""The arrows of README's picture, and no other (S2S-02)."""

import pytest

from .manifests import OVERLAYS, documents, of_kind
from .network import arrows, places

# `outside`: any address. The key set is one of the routes of auth.
SERVICES = """
outside -> gateway:8080
gateway -> auth:8000
gateway -> users:8000
gateway -> another-service:8000
auth -> users:8000
users -> auth:8000
users-worker -> auth:8000
users-worker -> outside:465
users-worker -> outside:587
another-service -> auth:8000
another-service -> users:8000
prometheus -> auth:8000
prometheus -> users:8000
prometheus -> users-worker:8000
"""
STORES = {
    "small": """
auth -> auth-db:5432
auth-migrate -> auth-db:5432
auth-clean-up -> auth-db:5432
backup -> auth-db:5432
users -> users-db:5432
users-worker -> users-db:5432
users-migrate -> users-db:5432
backup -> users-db:5432
auth -> redis:6379
users -> redis:6379
another-service -> redis:6379
""",
    # A service reaches a pooler alone. Ports 443 and 6443: the cluster's API server and
    # the object store.
    "production": """
auth -> auth-db-pooler:5432
auth-db-pooler -> auth-db:5432
auth-migrate -> auth-db:5432
auth-clean-up -> auth-db:5432
auth-db -> auth-db:5432
auth-db -> auth-db:8000
operator -> auth-db:5432
operator -> auth-db:8000
prometheus -> auth-db:9187
auth-db -> outside:443
auth-db -> outside:6443
auth-db-pooler -> outside:443
auth-db-pooler -> outside:6443
users -> users-db-pooler:5432
users-db-pooler -> users-db:5432
users-worker -> users-db:5432
users-migrate -> users-db:5432
users-db -> users-db:5432
users-db -> users-db:8000
operator -> users-db:5432
operator -> users-db:8000
prometheus -> users-db:9187
users-db -> outside:443
users-db -> outside:6443
users-db-pooler -> outside:443
users-db-pooler -> outside:6443
auth -> redis:6379
auth -> redis:26379
users -> redis:6379
users -> redis:26379
another-service -> redis:6379
another-service -> redis:26379
redis -> redis:6379
redis -> redis:26379
""",
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_arrows_are_those_of_the_picture(overlay: str) -> None:
    found = documents(overlay)
    wanted = {*SERVICES.split("\n"), *STORES[overlay].split("\n")} - {""}
    wanted |= {f"{name} -> dns:53" for name in places(found)}
    assert sorted(arrows(found)) == sorted(wanted)


def test_an_arrow_ends_with_either_of_its_ends() -> None:
    for name, word in (("auth", "ingress"), ("gateway", "egress")):
        found = documents("small")
        assert "gateway -> auth:8000" in arrows(found)
        del of_kind(found, "NetworkPolicy")[name]["spec"][word]
        assert "gateway -> auth:8000" not in arrows(found)
