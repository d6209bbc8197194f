"""The OpenAPI document: built once, in the two media types."""

from unittest.mock import patch

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from shared.api.urls import openapi_document

URL = "/api/v1/auth/openapi.json"


@pytest.fixture
def built():
    """Counts how often it is built."""
    openapi_document.cache_clear()
    build = SchemaGenerator.get_schema
    with patch.object(
        SchemaGenerator, "get_schema", autospec=True, side_effect=build
    ) as counted:
        yield counted


def test_it_is_built_for_the_first_request_and_kept(built):
    answers = [
        APIClient().get(URL + query, headers={"Accept": accept})
        for query in ("", "?lang=de", "?version=2")
        for accept in ("application/json", "*/*", "application/vnd.oai.openapi+json")
    ]

    assert built.call_count == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    kinds = [answer["Content-Type"] for answer in answers[:3]]
    assert kinds == ["application/json", *["application/vnd.oai.openapi+json"] * 2]
    assert URL not in answers[0].json()["paths"]
    assert APIClient().get(URL, headers={"Accept": "text/html"}).status_code == 406
