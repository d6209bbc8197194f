"""What an answer says of a user. Plain functions: they run for every request.

The shapes they return are published by `users.serializers`.
"""

from typing import Any

from users.models import User


def represent(user: User, roles: list[str]) -> dict[str, Any]:
    """The user as `UserSerializer` describes it."""
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "display_name": user.display_name,
        "avatar_url": user.avatar_url,
        "is_active": user.is_active,
        "is_deleted": user.is_deleted,
        "deleted_at": user.deleted_at,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "roles": roles,
    }


def represent_epochs(user: User) -> dict[str, Any]:
    """What decides which of the user's sessions have ended, for auth alone."""
    return {
        "session_epoch": user.session_epoch,
        "kept_sid": user.kept_sid,
        "kept_from": user.kept_from,
    }


def represent_verified(user: User) -> dict[str, Any]:
    """The user as `VerifiedUserSerializer` describes it."""
    return {
        "sub": user.id,
        "email": user.email,
        "username": user.username,
        "roles": user.roles,
        "session_epoch": user.session_epoch,
    }
