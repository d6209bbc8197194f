"""What a client does next, for the OpenAPI description."""

from typing import Any

from shared.links import Links, add_links, elsewhere, link

CREDENTIALS = {
    "email": "$request.body#/email",
    "password": "$request.body#/password",
}
LINKS: Links = {
    "users_register": {
        "201": {
            "login": link(
                elsewhere("auth", "/api/v1/auth/login", "post"), body=CREDENTIALS
            ),
            "verify": link("users_verify", body=CREDENTIALS),
            "user": link("users_get", user_id="$response.body#/id"),
        }
    },
    "users_verify": {
        "200": {
            "user": link("users_get", user_id="$response.body#/sub"),
            "end_sessions": link("users_end_sessions", user_id="$response.body#/sub"),
        }
    },
}


def postprocess(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """For POSTPROCESSING_HOOKS of drf-spectacular."""
    return add_links(result, LINKS)
