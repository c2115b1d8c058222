"""Templates compiled when the zip was made: compiling one takes Lambda longer than sending its mail.

Each is checked against its source when it is loaded, so an outdated one costs time and is never shown.
Source: Jinja documentation, "Bytecode cache".
"""

import hashlib
from pathlib import Path

from jinja2.bccache import Bucket, BytecodeCache

CACHE_FOLDER = Path(__file__).resolve().parents[2] / "jinja-bytecode"  # `make package` fills it


class TemplateCache(BytecodeCache):
    """Compiled templates in a folder, which is only read unless it is to be filled."""

    def __init__(self, folder: Path = CACHE_FOLDER, *, fill: bool = False) -> None:
        self._folder = folder
        self._fill = fill

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """The template's name alone: where the templates are is another place in Lambda."""
        return hashlib.sha256(name.encode()).hexdigest()[:32]

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take it if it is there; Jinja looks whether it fits Python, Jinja and the source."""
        try:
            with (self._folder / bucket.key).open("rb") as file:
                bucket.load_bytecode(file)
        except FileNotFoundError:
            return

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it, where the folder is to be filled."""
        if self._fill:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / bucket.key).open("wb") as file:
                bucket.write_bytecode(file)
