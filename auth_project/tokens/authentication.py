"""Access tokens at the service that issued them."""

from typing import Any

from shared.authentication import JWTAuthentication
from tokens import services


class SessionAuthentication(JWTAuthentication):
    """As in every service, but what Redis does not know PostgreSQL is asked here: other
    services ask us."""

    def verify(self, token: str) -> dict[str, Any]:
        return services.verify(token)
