"""The kinds of monitors by their name in the settings. A kind's module is loaded when the settings have one of it."""

from collections.abc import Callable, Mapping
from importlib import import_module

from ..domain.monitor import Check, MonitorDefaults
from ..platform.fields.table import Table

# kind -> module and function: takes the fields of a [[monitors]] table, gives a check for each monitor it stands for, by what is
# put behind the table's name ("" for itself)
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
    """What reads the fields of a kind. Those that no kind's reader and no common field knows are found by `fields`."""
    module, name = _KINDS[kind]
    found: Callable[[Table, MonitorDefaults], Mapping[str, Check]] = getattr(import_module(f"{__package__}.{module}"), name)
    return found


def fields(kind: str) -> tuple[str, ...]:
    """The fields of a kind: its module's FIELDS, by its name."""
    module, _ = _KINDS[kind]
    found: tuple[str, ...] = import_module(f"{__package__}.{module}").FIELDS[kind]
    return found
