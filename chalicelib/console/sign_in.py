"""Signing in and out."""

from typing import TYPE_CHECKING

from chalice.app import Response

from . import pages

if TYPE_CHECKING:
    from .web import WebRequest


def sign_in_page(request: "WebRequest", status: int = 200) -> Response:
    """What a stranger sees: how to sign in, and nothing else."""
    return pages.html(request, "sign_in.html", status)
