"""The Django admin of users: Django's autodiscovery imports this package."""

from users.admin import users as users
