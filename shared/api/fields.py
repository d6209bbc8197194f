"""Strict serializer fields and bodies, and their OpenAPI schemas."""

import inspect
from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import Direction
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator


class ExactCharField(serializers.CharField):
    """A JSON string, as it was sent: not trimmed, and no number or bool made into one.

    DRF's own field trims, which changes passwords, and turns 123456 into "123456".
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        # This validator checks every character. Our parsers refuse lone surrogates.
        self.validators = [
            validator
            for validator in self.validators
            if not isinstance(validator, ProhibitSurrogateCharactersValidator)
        ]

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        value: str = super().to_internal_value(data)
        return value


class PasswordField(ExactCharField):
    """A password on its way in. Never on its way out."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("style", {"input_type": "password"})
        super().__init__(write_only=True, max_length=128, **kwargs)


class EpochField(serializers.IntegerField):
    """A user's session epoch: 64 bits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": 2**63 - 1} | kwargs)


class StrictSerializer(serializers.Serializer[Any]):
    """A body with only the members of its schema. All others are refused."""

    # Services are lenient with each other, as they are not updated at the same moment.
    # So is a login (`CredentialsSerializer`).

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else ()
        if unknown:
            detail = {name: ["There is no such member."] for name in sorted(unknown)}
            raise serializers.ValidationError(detail, code="unknown")
        return super().to_internal_value(data)


class AlternativesExtension(OpenApiSerializerExtension):
    """One type for each group of members in the serializer's `one_of`. It requires the
    group's members and has none of the other groups, which fields alone cannot express.
    """

    match_subclasses = True
    keyword: str  # of JSON Schema

    def map_serializer(
        self, auto_schema: AutoSchema, direction: Direction
    ) -> dict[str, Any]:
        types = [*self.types(auto_schema, direction)]
        return {self.keyword: types, "description": inspect.getdoc(self.target)}

    def types(
        self, auto_schema: AutoSchema, direction: Direction
    ) -> Iterator[dict[str, str]]:
        whole = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        name = auto_schema._get_serializer_name(self.target, direction)
        groups = self.target.one_of
        for group in groups:
            others = {each for other in groups if other != group for each in other}
            kept = {k: v for k, v in whole["properties"].items() if k not in others}
            required = [*group, *whole.get("required", [])]
            component = ResolvedComponent(
                f"{group[0].title().replace('_', '')}{name}",
                "schemas",
                whole | {"properties": kept, "required": required},
                object=(self.target, group),
            )
            auto_schema.registry.register_on_missing(component)
            yield component.ref


class OneOfSerializer(serializers.Serializer[Any]):
    """A body with exactly one of these groups: its first member needs the others."""

    one_of: tuple[tuple[str, ...], ...]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [group for group in self.one_of if group[0] in attrs]
        if len(given) != 1 or not attrs.keys() >= set(given[0]):
            names = ", ".join(" with ".join(group) for group in self.one_of)
            detail = f"Send one of: {names}."
            raise serializers.ValidationError(detail, code="required")
        return attrs


class OneOfExtension(AlternativesExtension):
    target_class = OneOfSerializer
    keyword = "oneOf"


class CredentialsSerializer(serializers.Serializer[None]):
    """`email` or `username`, and `password`. If both are sent, `email` is used."""

    email = ExactCharField(required=False, max_length=254)
    username = ExactCharField(required=False, max_length=50)
    password = PasswordField()

    one_of = (("email",), ("username",))

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        if "email" not in attrs and "username" not in attrs:
            raise serializers.ValidationError(
                {"email": "Either email or username is needed."}, code="required"
            )
        return attrs


class CredentialsExtension(AlternativesExtension):
    target_class = CredentialsSerializer
    keyword = "anyOf"
