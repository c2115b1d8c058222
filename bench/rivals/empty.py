"""An empty function, to measure the runtime itself."""

from typing import Any


def on_upload(event: Any, context: Any) -> None:
    """Ignore the event."""
