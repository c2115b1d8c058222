"""Implements ImportRestApi and PutRestApi, which `chalice deploy` calls and MiniStack lacks, as a Flask blueprint.

A deploy reaches it through AWS_ENDPOINT_URL_API_GATEWAY. The two calls become CreateResource, PutMethod, PutIntegration and so
on; every other call is signed again for MiniStack and forwarded unchanged. The document is Chalice's OpenAPI 2 (Amazon API
Gateway, "OpenAPI extensions"): routes with `aws_proxy` or `mock` integrations, CORS preflights, API keys. Authorizers are
rejected.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from flask import Blueprint, Response, jsonify, request

from .ministack import ACCESS_KEY, REGION, SECRET_KEY, local_client

PREFIX = "/aws/apigateway"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_TIMEOUT_S = 30
_OWN_HEADERS = frozenset({"host", "content-length", "connection", "authorization", "accept-encoding"})
_HOP_HEADERS = frozenset({"content-length", "connection", "transfer-encoding", "content-encoding"})


class UnsupportedApiError(Exception):
    """The document contains something that this shim does not support."""


def create_rest_api(endpoint: str) -> Blueprint:
    """Create the blueprint. `endpoint` is MiniStack's base URL."""
    blueprint = Blueprint("rest_api", __name__, url_prefix=PREFIX)

    @blueprint.errorhandler(UnsupportedApiError)
    def reject(error: UnsupportedApiError) -> Response:
        response = jsonify({"message": str(error)})
        response.status_code = 400
        response.headers["x-amzn-ErrorType"] = "BadRequestException"
        return response

    @blueprint.post("/restapis")
    def create() -> Response:
        if request.args.get("mode") != "import":
            return _forward(endpoint, "restapis")
        return _api_response(import_api(local_client(endpoint, "apigateway"), request.get_json(force=True)), 201)

    @blueprint.put("/restapis/<api>")
    def put(api: str) -> Response:
        if request.args.get("mode") != "overwrite":
            raise UnsupportedApiError("PutRestApi is supported with mode=overwrite only")
        return _api_response(overwrite_api(local_client(endpoint, "apigateway"), api, request.get_json(force=True)), 200)

    @blueprint.route("/<path:rest>", methods=_METHODS)
    def other(rest: str) -> Response:
        return _forward(endpoint, rest)

    return blueprint


def import_api(client: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """Create a REST API from the document. Return its description as CreateRestApi does.

    Raises:
        UnsupportedApiError: the document has an authorizer. Nothing was created.
    """
    routes = list(_routes(document))
    attributes = {
        "name": document["info"]["title"],
        "version": document["info"].get("version"),
        "binaryMediaTypes": document.get("x-amazon-apigateway-binary-media-types"),
        "minimumCompressionSize": document.get("x-amazon-apigateway-minimum-compression-size"),
    }
    api: dict[str, Any] = client.create_rest_api(**{name: value for name, value in attributes.items() if value is not None})
    _build(client, api["id"], routes)
    return api


def overwrite_api(client: Any, api: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Replace every resource and method of a REST API with those of the document.

    Raises:
        UnsupportedApiError: the document has an authorizer. Nothing was changed.
    """
    routes = list(_routes(document))
    resources = client.get_resources(restApiId=api, limit=500)["items"]
    root = next(resource for resource in resources if resource["path"] == "/")
    for resource in sorted(resources, key=lambda resource: len(resource["path"]), reverse=True):
        if resource is not root:  # the deepest first: MiniStack does not delete children with their parent
            client.delete_resource(restApiId=api, resourceId=resource["id"])
    for method in root.get("resourceMethods", {}):
        client.delete_method(restApiId=api, resourceId=root["id"], httpMethod=method)
    _build(client, api, routes)
    description: dict[str, Any] = client.get_rest_api(restApiId=api)
    return description


def _routes(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for names in operation.get("security", ()):
                if "api_key" not in names:
                    raise UnsupportedApiError(f"{method.upper()} {path}: authorizers are not supported locally")
            yield path, "ANY" if method == "x-amazon-apigateway-any-method" else method.upper(), operation


def _build(client: Any, api: str, routes: list[tuple[str, str, Mapping[str, Any]]]) -> None:
    resources = {resource["path"]: resource["id"] for resource in client.get_resources(restApiId=api, limit=500)["items"]}
    for path, method, operation in routes:
        _method(client, api, _resource(client, api, path, resources), method, operation)


def _resource(client: Any, api: str, path: str, resources: dict[str, str]) -> str:
    """The id of the path's resource. Creates it and its parents if they are missing."""
    path = path.rstrip("/") or "/"
    if path not in resources:
        parent, _, part = path.rpartition("/")
        parent_id = _resource(client, api, parent or "/", resources)
        resources[path] = client.create_resource(restApiId=api, parentId=parent_id, pathPart=part)["id"]
    return resources[path]


def _method(client: Any, api: str, resource: str, method: str, operation: Mapping[str, Any]) -> None:
    ids = {"restApiId": api, "resourceId": resource, "httpMethod": method}
    path_parameters = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter.get("in") == "path"]
    client.put_method(
        **ids,
        authorizationType="NONE",
        apiKeyRequired=any("api_key" in names for names in operation.get("security", ())),
        requestParameters={f"method.request.path.{name}": True for name in path_parameters},
    )
    for status, response in operation.get("responses", {}).items():
        headers = {f"method.response.header.{name}": False for name in response.get("headers", {})}
        client.put_method_response(**ids, statusCode=status, responseParameters=headers)
    _integration(client, ids, operation["x-amazon-apigateway-integration"])


def _integration(client: Any, ids: Mapping[str, str], integration: Mapping[str, Any]) -> None:
    attributes = {
        "type": integration["type"].upper(),
        "integrationHttpMethod": integration.get("httpMethod"),
        "uri": integration.get("uri"),
        "passthroughBehavior": integration.get("passthroughBehavior", "when_no_match").upper(),
        "contentHandling": integration.get("contentHandling"),
        "requestTemplates": integration.get("requestTemplates"),
    }
    client.put_integration(**ids, **{name: value for name, value in attributes.items() if value is not None})
    for pattern, response in integration.get("responses", {}).items():
        client.put_integration_response(
            **ids,
            statusCode=response["statusCode"],
            responseParameters=response.get("responseParameters", {}),
            **({} if pattern == "default" else {"selectionPattern": pattern}),
        )


def _forward(endpoint: str, path: str) -> Response:
    """Forward the request. Its signature covers our host and path, so it is signed again."""
    url = f"{endpoint}/{path}" + (f"?{request.query_string.decode()}" if request.query_string else "")
    headers = {name: value for name, value in request.headers if name.lower() not in _OWN_HEADERS}
    signed = AWSRequest(request.method, url, headers, request.get_data())
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "apigateway", REGION).add_auth(signed)
    with requests.Session() as session:
        session.trust_env = False  # ignore the machine's proxy
        upstream = session.request(request.method, url, headers=dict(signed.headers), data=signed.body, timeout=_TIMEOUT_S)
    headers_to_forward = [(name, value) for name, value in upstream.headers.items() if name.lower() not in _HOP_HEADERS]
    return Response(upstream.content, upstream.status_code, headers_to_forward)


def _api_response(api: Mapping[str, Any], status: int) -> Response:
    """API Gateway's JSON for a REST API: times in seconds, without the boto3 client's metadata."""
    description = {name: value for name, value in api.items() if name != "ResponseMetadata"}
    if "createdDate" in description:
        description["createdDate"] = int(description["createdDate"].timestamp())
    response = jsonify(description)
    response.status_code = status
    return response
