"""Users and roles for the suite."""

from functools import lru_cache
from typing import Any

import factory
from django.contrib.auth.hashers import make_password

from users.models import Role, User

PASSWORD = "correct horse battery staple"

# Above the clock, so that the next one is this plus one; and above 32 bits.
EPOCH = 2**40


@lru_cache
def hashed(password: str) -> str:
    """Hashing is slow on purpose; the suite does it once for each password."""
    return make_password(password)


class RoleFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Role

    name = factory.Sequence("role-{}".format)


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence("Person{}@Example.org".format)
    username = factory.Sequence("Person{}".format)
    session_epoch = EPOCH

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> User:
        kwargs["password"] = hashed(kwargs.pop("password", PASSWORD))
        return super()._create(model_class, *args, **kwargs)

    @factory.post_generation
    def roles(self, create: bool, names: list[str] | None, **kwargs: Any) -> None:
        for name in names or []:
            self.groups.add(Role.objects.get_or_create(name=name)[0])
