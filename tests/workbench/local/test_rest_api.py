"""The REST API shim, called with boto3 as `chalice deploy` does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from flask import Flask

from tests.support.serving import serving
from workbench.local.ministack import MiniStack, local_client
from workbench.local.rest_api import PREFIX, create_rest_api

URI = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:000000000000:function:dropnote-local/invocations"
)


@pytest.fixture
def gateway(ministack: MiniStack) -> Iterator[Any]:
    """A boto3 client for API Gateway that uses the shim."""
    app = Flask("shim")
    app.register_blueprint(create_rest_api(ministack.endpoint))
    with serving(app) as url:
        yield local_client(url + PREFIX, "apigateway")


def document(*routes: str, **operation: Any) -> str:
    """The document that Chalice writes for routes like "GET /a/{b}"."""
    paths: dict[str, Any] = {}
    for route in routes:
        method, path = route.split()
        integration = {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": URI,
            "responses": {"default": {"statusCode": "200"}},
        }
        paths.setdefault(path, {})[method.lower()] = {
            "responses": {"200": {"description": "ok"}},
            "x-amazon-apigateway-integration": integration,
            **operation,
        }
    info = {"title": "dropnote", "version": "1.0"}
    compression = {"x-amazon-apigateway-minimum-compression-size": 1024}
    return json.dumps({"swagger": "2.0", "info": info, "paths": paths, **compression})


def built(client: Any, api: str) -> set[str]:
    """The routes of an API in MiniStack."""
    return {
        f"{method} {resource['path']}"
        for resource in client.get_resources(restApiId=api)["items"]
        for method in resource.get("resourceMethods", {})
    }


def test_import_creates_every_route(gateway: Any, ministack: MiniStack) -> None:
    routes = {"GET /", "GET /health", "POST /a/{b}/c", "DELETE /a/{b}"}
    api = gateway.import_rest_api(body=document(*routes))
    assert (api["name"], api["minimumCompressionSize"]) == ("dropnote", 1024)
    assert built(ministack.client("apigateway"), api["id"]) == routes


def test_imported_route_keeps_its_integration(gateway: Any) -> None:
    api = gateway.import_rest_api(body=document("GET /health"))["id"]
    resource = next(item for item in gateway.get_resources(restApiId=api)["items"] if item["path"] == "/health")
    integration = gateway.get_integration(restApiId=api, resourceId=resource["id"], httpMethod="GET")
    assert (integration["type"], integration["uri"]) == ("AWS_PROXY", URI)


def test_overwriting_keeps_only_the_new_routes(gateway: Any, ministack: MiniStack) -> None:
    api = gateway.import_rest_api(body=document("GET /", "GET /old/{thing}", "GET /health"))["id"]
    gateway.put_rest_api(restApiId=api, mode="overwrite", body=document("GET /health", "POST /new"))
    assert built(ministack.client("apigateway"), api) == {"GET /health", "POST /new"}


def test_cors_preflight_answers_with_its_headers(gateway: Any) -> None:
    header = {"method.response.header.Access-Control-Allow-Origin": "'*'"}
    preflight = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200", "responseParameters": header}},
    }
    responses = {"200": {"description": "ok", "headers": {"Access-Control-Allow-Origin": {"type": "string"}}}}
    body = document("OPTIONS /a", responses=responses, **{"x-amazon-apigateway-integration": preflight})
    api = gateway.import_rest_api(body=body)["id"]
    resource = next(item for item in gateway.get_resources(restApiId=api)["items"] if item["path"] == "/a")
    integration = gateway.get_integration(restApiId=api, resourceId=resource["id"], httpMethod="OPTIONS")
    assert integration["integrationResponses"]["200"]["responseParameters"] == header


def test_authorizer_is_rejected_and_nothing_created(gateway: Any) -> None:
    with pytest.raises(ClientError, match="GET /a: authorizers are not supported"):
        gateway.import_rest_api(body=document("GET /a", security=[{"my_auth": []}]))
    assert gateway.get_rest_apis()["items"] == []


def test_other_calls_are_forwarded(gateway: Any, ministack: MiniStack) -> None:
    api = gateway.import_rest_api(body=document("GET /health"))["id"]
    gateway.create_deployment(restApiId=api, stageName="api")
    assert [stage["stageName"] for stage in ministack.client("apigateway").get_stages(restApiId=api)["item"]] == ["api"]
    gateway.delete_rest_api(restApiId=api)
    assert ministack.client("apigateway").get_rest_apis()["items"] == []


def test_error_of_ministack_is_forwarded(gateway: Any) -> None:
    with pytest.raises(ClientError, match="NotFoundException"):
        gateway.get_rest_api(restApiId="nowhere")
