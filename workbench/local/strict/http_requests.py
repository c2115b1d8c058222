"""Reads recorded HTTP requests back into parameters by botocore's service models, and checks them like those of a client.

So the deployed functions, whose clients validate nothing, and Chalice itself run behind the checker: see proxy/proxy.py.
Sources: the protocols as Smithy's documentation describes them ("AWS JSON 1.0", "AWS restJson1", "AWS restXml", "AWS query",
"Smithy RPC v2 CBOR"); AWS General Reference, "Signature Version 4" (the service in the credential scope).
"""

import io
import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

from botocore.model import OperationModel, ServiceModel
from botocore.parsers import RpcV2CBORParser
from botocore.session import Session

from ..proxy.server import RecordedRequest
from .check import violations

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")
_SERVICES = {"ses": "sesv2", "monitoring": "cloudwatch"}  # where botocore's name differs from the one in a signature
_FUNCTION = re.compile(r"dropnote/\S+ (\S+)")


class UnreadableRequest(ValueError):
    """A signed request that no service model describes. One sentence."""


def check_requests(requests: Iterable[RecordedRequest]) -> tuple[Counter[str], list[str]]:
    """Check recorded requests. Return how many of each operation were checked, and the problems, each once."""
    checked: Counter[str] = Counter()
    problems: dict[str, None] = {}
    for request in requests:
        caller = found[1] if (found := _FUNCTION.search(request.agent)) else "the workbench or Chalice"
        try:
            parsed = parse(request)
        except (UnreadableRequest, ValueError, KeyError) as error:
            problems[f"{request.operation}: could not be read back: {type(error).__name__} {error}, sent by {caller}"] = None
            continue
        if parsed:
            service, operation, parameters = parsed
            checked[f"{service} {operation.name}"] += 1
            problems |= dict.fromkeys(
                f"{violation}, sent by {caller}" for violation in violations(service, operation, parameters)
            )
    return checked, list(problems)


def parse(request: RecordedRequest) -> tuple[str, OperationModel, dict[str, Any]] | None:
    """Return a request's service, operation and parameters; None for one that is not signed, and so not AWS's.

    Raises:
        UnreadableRequest: no operation of the service matches.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not (scope := _SCOPE.search(headers.get("authorization", ""))):
        return None
    service = _SERVICES.get(scope[1], scope[1])
    model = _model(service)
    if target := headers.get("x-amz-target"):
        operation = model.operation_model(target.rpartition(".")[2])
        return service, operation, _from_json(operation.input_shape, json.loads(request.body or b"{}"))
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        operation = model.operation_model(request.path.rpartition("/")[2])
        return service, operation, RpcV2CBORParser().parse_data_item(io.BytesIO(request.body)) if request.body else {}
    if "form-urlencoded" in headers.get("content-type", ""):
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        operation = model.operation_model(form.pop("Action"))
        form.pop("Version", None)
        return service, operation, _from_tree(operation.input_shape, _tree(form)) if operation.input_shape else {}
    return service, *_rest(model, request, headers)


@cache
def _model(service: str) -> ServiceModel:
    return Session().get_service_model(service)


def _from_json(shape: Any, value: Any) -> Any:
    """A JSON value with the names and types of botocore's parameters. Unknown names stay, for the validator to report."""
    if shape is None or value is None or getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        items = ((names.get(name, name), element) for name, element in value.items() if element is not None)
        return {name: _from_json(shape.members.get(name), element) for name, element in items}
    if shape.type_name == "list":
        return [_from_json(shape.member, element) for element in value]
    if shape.type_name == "map":
        return {name: _from_json(shape.value, element) for name, element in value.items()}
    return b64decode(value) if shape.type_name == "blob" else value


def _tree(form: Mapping[str, str]) -> dict[str, Any]:
    """A query's fields as a tree: Tags.member.1.Key becomes {"Tags": {"member": {"1": {"Key": …}}}}."""
    root: dict[str, Any] = {}
    for path, value in form.items():
        *folders, name = path.split(".")
        node = root
        for folder in folders:
            node = node.setdefault(folder, {})
        node[name] = value
    return root


def _from_tree(shape: Any, node: Any) -> Any:
    """A value of the query protocol."""
    if shape.type_name == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        return {
            names.get(name, name): _from_tree(shape.members[names[name]], value) for name, value in node.items() if name in names
        }
    if shape.type_name in ("list", "map"):
        if not node:
            return [] if shape.type_name == "list" else {}
        if not shape.serialization.get("flattened"):
            (node,) = node.values()  # "member" or "entry"
        elements = [node[number] for number in sorted(node, key=int)]
        if shape.type_name == "list":
            return [_from_tree(shape.member, element) for element in elements]
        return {element["key"]: _from_tree(shape.value, element["value"]) for element in elements}
    return _scalar(shape, node)


def _scalar(shape: Any, text: str) -> Any:
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name in ("float", "double"):
        return float(text)
    return text == "true" if shape.type_name == "boolean" else text


def _rest(model: ServiceModel, request: RecordedRequest, headers: Mapping[str, str]) -> tuple[OperationModel, dict[str, Any]]:
    parts = urlsplit(request.path)
    query = parse_qsl(parts.query, keep_blank_values=True)
    candidates = []
    for operation, pattern, literals in _routes(model.service_name):
        found = pattern.fullmatch(parts.path)
        if found and operation.http["method"] == request.method and literals <= {name for name, _ in query}:
            parameters = dict(
                _bound(operation, {name: unquote(value) for name, value in found.groupdict().items()}, query, headers)
            )
            shape: Any = operation.input_shape
            required = shape.required_members if shape else ()
            located = [name for name in required if "location" in shape.members[name].serialization]
            if set(located) <= set(parameters):
                candidates.append((len(literals), len(located), operation.name, operation, parameters))
    if not candidates:
        raise UnreadableRequest(f"{model.service_name} has no operation for {request.method} {parts.path}")
    *_, operation, parameters = max(candidates, key=lambda candidate: candidate[:3])
    return operation, parameters | _body(operation, request.body)


@cache
def _routes(service: str) -> list[tuple[OperationModel, re.Pattern[str], set[str]]]:
    """Every operation with the pattern of its path and the names that its query must have."""
    routes = []
    for name in _model(service).operation_names:
        operation = _model(service).operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", lambda part: f"(?P<{part[1]}>{'.+' if part[2] else '[^/]+'})", re.escape(path))
        routes.append(
            (operation, re.compile(pattern + "/?"), {literal.partition("=")[0] for literal in query.split("&") if literal})
        )
    return routes


def _bound(
    operation: OperationModel, path: Mapping[str, str], query: list[tuple[str, str]], headers: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    """The parameters in the path, the query and the headers."""
    members: Mapping[str, Any] = operation.input_shape.members if operation.input_shape else {}
    for name, shape in members.items():
        location, key = shape.serialization.get("location"), shape.serialization.get("name", name)
        values = [value for field, value in query if field == key] if location == "querystring" else []
        if location == "uri" and key in path:
            yield name, _scalar(shape, path[key])
        elif location == "header" and key.lower() in headers:
            yield name, _header(shape, headers[key.lower()])
        elif values:
            yield (
                name,
                [_scalar(shape.member, value) for value in values] if shape.type_name == "list" else _scalar(shape, values[0]),
            )


def _header(shape: Any, value: str) -> Any:
    return value.split(",") if shape.type_name == "list" else _scalar(shape, value)


def _body(operation: OperationModel, body: bytes) -> dict[str, Any]:
    """The parameters in the body: the payload member, or all members that are nowhere else."""
    shape: Any = operation.input_shape
    if shape is None or not body:
        return {}
    xml = operation.service_model.protocol == "rest-xml"
    if not (payload := shape.serialization.get("payload")):
        return {} if xml else _from_json(shape, json.loads(body))
    member = shape.members[payload]
    if member.type_name != "structure":
        return {payload: body}
    return {payload: _from_xml(member, ElementTree.fromstring(body)) if xml else _from_json(member, json.loads(body))}  # noqa: S314  ours


def _from_xml(shape: Any, node: ElementTree.Element) -> Any:
    """A value of the rest-xml protocol."""
    if shape.type_name != "structure":
        return _scalar(shape, node.text or "")
    value: dict[str, Any] = {}
    for name, member in shape.members.items():
        children = [child for child in node if child.tag.rpartition("}")[2] == _xml_name(name, member)]
        if member.type_name == "list":
            nested = children if member.serialization.get("flattened") else [element for child in children for element in child]
            value |= {name: [_from_xml(member.member, element) for element in nested]} if children else {}
        elif children:
            value[name] = _from_xml(member, children[0])
    return value


def _xml_name(name: str, member: Any) -> str:
    return str(
        member.serialization.get("name")
        or (member.member.serialization.get("name") if member.type_name == "list" else "")
        or name
    )
