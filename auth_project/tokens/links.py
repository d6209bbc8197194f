"""What a client does next, for the OpenAPI description."""

from typing import Any

from shared.links import Links, add_links, elsewhere, link

BEARER = "With `Authorization: Bearer <access_token>`."
COOKIE = "With the cookie that came along."
GRANTED = {
    "me": link(elsewhere("users", "/api/v1/users/me", "get"), BEARER),
    "sessions": link("auth_sessions_list", BEARER),
    "logout_all": link("auth_logout_all", BEARER),
    "refresh": link("auth_refresh", COOKIE),
    "logout": link("auth_logout", COOKIE),
    "verify_token": link(
        "auth_verify_token", body={"token": "$response.body#/access_token"}
    ),
}
LINKS: Links = {
    "auth_login": {"200": GRANTED},
    "auth_refresh": {"200": GRANTED},
    "auth_sessions_list": {
        "200": {
            "end": link("auth_sessions_delete", session_id="$response.body#/0/id"),
        }
    },
    "auth_verify_token": {
        "200": {
            "sessions": link(
                "auth_user_sessions_list", user_id="$response.body#/user_id"
            ),
            "revoke": link(
                "auth_user_sessions_revoke",
                user_id="$response.body#/user_id",
                session_id="$response.body#/sid",
            ),
        }
    },
}


def postprocess(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """For POSTPROCESSING_HOOKS of drf-spectacular."""
    return add_links(result, LINKS)
