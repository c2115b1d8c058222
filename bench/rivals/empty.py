"""Nothing at all: what the runtime itself takes."""

from typing import Any


def on_upload(event: Any, context: Any) -> None:
    """Take the event and return."""
