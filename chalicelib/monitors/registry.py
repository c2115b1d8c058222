"""The kinds of monitors by their name in the settings. A kind's module is imported when the settings use it."""

from collections.abc import Callable, Mapping
from importlib import import_module

from ..domain.monitor import Check, MonitorDefaults
from ..platform.fields.table import Table

# kind -> module and function that reads the fields of a [[monitors]] table. It returns one check per monitor, by the suffix
# added to the table's name ("" for none).
_KINDS = {
    "freshness": ("freshness.settings", "read"),
    "http": ("http.settings", "read"),
    "metric": ("metric.settings", "read"),
    "instance": ("metric.ready_made", "read_instance"),
    "database": ("metric.ready_made", "read_database"),
    "lambda": ("metric.ready_made", "read_lambda"),
    "bill": ("metric.ready_made", "read_bill"),
}
KINDS = tuple(_KINDS)


def reader(kind: str) -> Callable[[Table, MonitorDefaults], Mapping[str, Check]]:
    """Return the function that reads the fields of a kind."""
    module, name = _KINDS[kind]
    read: Callable[[Table, MonitorDefaults], Mapping[str, Check]] = getattr(import_module(f"{__package__}.{module}"), name)
    return read


def fields(kind: str) -> tuple[str, ...]:
    """Return the names of a kind's fields: FIELDS of its module."""
    module, _ = _KINDS[kind]
    names: tuple[str, ...] = import_module(f"{__package__}.{module}").FIELDS[kind]
    return names
