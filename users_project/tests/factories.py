"""Users for the suite."""

from datetime import timedelta
from functools import lru_cache

import factory
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.utils import timezone

from users.models import Role, User

PASSWORD = "correct horse battery staple"
NEW = "a newer horse battery"
WRONG = "not the password"

# The least that Argon2 can do: memory in KiB, and time. What the settings make of its
# costs is tested in test_hashers.py.
ARGON2_COSTS = (8, 1)

# Above the clock, so that the next one is this plus one; and above 32 bits.
EPOCH = 2**40


@lru_cache
def hashed(password, hasher="default"):
    """Hashing is slow on purpose; the suite does it once for each password."""
    return make_password(password, hasher=hasher)


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence("User{}@Example.org".format)
    username = factory.Sequence("User{}".format)
    session_epoch = EPOCH
    deleted_at = None
    delete_after = factory.LazyAttribute(
        lambda user: user.deleted_at and timezone.now() + timedelta(days=1)
    )

    @classmethod
    def _create(cls, model, *args, password=PASSWORD, hasher="default", **fields):
        """`hasher="raw"` stores the password as it is given."""
        encoded = password if hasher == "raw" else hashed(password, hasher)
        return super()._create(model, *args, password=encoded, **fields)

    @factory.post_generation
    def roles(self, create, names, **kwargs):
        for name in names or []:
            self.groups.add(Role.objects.get_or_create(name=name)[0])

    @factory.post_generation
    def permissions(self, create, codenames, **kwargs):
        if codenames:
            self.user_permissions.set(Permission.objects.filter(codename__in=codenames))
