"""The inbox's drop zone: `POST /inbox/uploads` answers with a presigned POST; the browser sends the file to the bucket itself.

The page and its script are those of real upload links (chalicelib/console/static/upload.js); the bucket's CORS rule allows them.
"""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, jsonify, request

from chalicelib.console.assets import STATIC
from chalicelib.console.files.presigning import MAX_UPLOAD, upload_form

from ...deployment.files.cors import add_rule, allows, read_rules, rule_for
from ..ministack import REGION, local_client


def create_drop_zone(endpoint: str, bucket: str) -> Blueprint:
    """Create the blueprint. `endpoint` is MiniStack's base URL."""
    blueprint = Blueprint("drop_zone", __name__)

    def clients(service: str, **_: Any) -> Any:
        return local_client(endpoint, service, REGION, signature_version="s3v4")

    @blueprint.get("/inbox/upload.js")
    def script() -> Response:
        return Response((STATIC / "upload.js").read_text(encoding="utf-8"), mimetype="text/javascript")

    @blueprint.post("/inbox/uploads")
    def accept() -> Response | tuple[Response, int]:
        origin = request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != request.host:  # another site's page
            abort(403)
        name = request.form.get("name", "").replace("\\", "/").rpartition("/")[2]
        if not name.strip() or len(name.encode()) > 1024:
            return jsonify({"error": "Not uploaded: a key has 1 to 1,024 bytes."}), 400
        content_type = request.form.get("type") or "application/octet-stream"
        return jsonify(upload_form(clients, bucket, REGION, name, MAX_UPLOAD, content_type))

    return blueprint


def allow_inbox(client: Any, bucket: str, server: str) -> None:
    """Let the inbox page upload to a bucket, under both names of this machine."""
    rules, port = read_rules(client, bucket), urlsplit(server).port
    if not allows(rules, server):
        add_rule(client, bucket, rules, rule_for(server, f"http://localhost:{port}"))
