"""Templates: their names and parts, the Jinja environment that loads them, and its cache of compiled templates.

A template is a folder of templates/, or of the user's own (platform/custom.py), with the parts sms.txt, subject.txt, email.txt
and email.html, and if it likes chat.txt and whatsapp.txt. They run in Jinja's sandbox, missing names are errors, and only HTML is
escaped.
"""

import hashlib
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.bccache import Bucket, BytecodeCache
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..domain.people import Channel
from ..platform.custom import template_folders
from .filters import FILTERS

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"  # as shipped
CACHE_FOLDER = Path(__file__).resolve().parents[2] / "jinja-bytecode"  # `make package` fills it
PARTS = {
    Channel.SMS: ("sms.txt",),
    Channel.EMAIL: ("subject.txt", "email.txt", "email.html"),
    Channel.WHATSAPP: ("whatsapp.txt",),
    Channel.WEBHOOK: ("chat.txt",),
}
SUBSTITUTES = {"whatsapp.txt": ("sms.txt",), "chat.txt": ("subject.txt", "email.txt")}  # of a template that lacks a part
CHANNEL_OF_PART = {part: channel for channel, parts in PARTS.items() for part in parts}
FALLBACK = "plain"
_DICT_METHODS = frozenset(dir(dict))
TEMPLATE_ERRORS = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError)


class TemplateFailed(Exception):
    """A part of a template could not be rendered; the text names template, part, line and problem."""

    def __init__(self, template: str, part: str, problem: str, file: str = "", line: int = 0) -> None:
        """`file` and `line`: where in the templates, if known."""
        super().__init__(f"template {template}, {part}{f' line {line}' if line else ''}: {problem}")
        self.problem = problem
        self.file = file
        self.line = line

    @classmethod
    def from_error(cls, template: str, part: str, error: Exception) -> "TemplateFailed":
        """Wrap what Jinja or a template's expression raised."""
        return cls(template, part, f"{type(error).__name__}: {error}", *_position(error))


def template_names(*folders: Path) -> list[str]:
    """Return the names of all templates in the folders (the user's and ours by default): every folder with at least one part."""
    parts = {part for parts in PARTS.values() for part in parts}
    files = (file for folder in folders or template_folders() for file in folder.glob("*/*"))
    return sorted({file.parent.name for file in files if file.name in parts})


class TemplateCache(BytecodeCache):
    """Templates compiled when the zip was built: compiling one takes Lambda longer than sending its mail.

    The folder is read-only unless `fill` is set. Jinja checks each entry against its source when loading it, so an outdated entry
    costs time but is never used. Source: Jinja documentation, "Bytecode cache".
    """

    def __init__(self, folder: Path = CACHE_FOLDER, *, fill: bool = False) -> None:
        self._folder = folder
        self._fill = fill

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Return a key of the template's name only: its path differs in Lambda."""
        return hashlib.sha256(name.encode()).hexdigest()[:32]

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load the entry if it exists; Jinja checks whether it fits Python, Jinja and the source."""
        try:
            with (self._folder / bucket.key).open("rb") as file:
                bucket.load_bytecode(file)
        except FileNotFoundError:
            return

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store the entry if the folder is to be filled."""
        if self._fill:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / bucket.key).open("wb") as file:
                bucket.write_bytecode(file)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with a shortcut to a dict's values: Jinja tries an attribute first, and the miss raises an exception."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return what `obj.attribute` means in a template; the result is the same as Jinja's."""
        if type(obj) is dict and attribute not in _DICT_METHODS and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def environment(*folders: Path, compiled: TemplateCache | None = None) -> ImmutableSandboxedEnvironment:
    """Create the Jinja environment that our templates are written for."""
    jinja = _Environment(
        loader=FileSystemLoader(folders),
        bytecode_cache=compiled or TemplateCache(),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # saves reading the time of four files per mail; a container's templates do not change
    )
    jinja.filters |= FILTERS
    return jinja


def fill(template: Template, variables: dict[str, Any]) -> str:
    """Render a template with variables that include the environment's globals.

    Like Template.render, without its copy of both, which takes longer than a text's template.
    Source: Jinja documentation, "The High Level API" (Template.render) and "The Low Level API" (new_context, root_render_func).
    """
    try:
        return "".join(template.root_render_func(template.new_context(variables, shared=True)))
    except Exception:  # noqa: BLE001  raised again, with the template's lines in its traceback
        template.environment.handle_exception()


def _position(error: Exception) -> tuple[str, int]:
    """The template file and line that an error comes from; "" and 0 if unknown."""
    if isinstance(error, TemplateSyntaxError):
        return error.filename or "", error.lineno
    position = ("", 0)
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename.endswith((".txt", ".html")):
            position = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return position
