"""Settings: one TOML file, read with all its mistakes found at once."""

from .model import (
    DEFAULT_IGNORE,
    Bot,
    Email,
    Finding,
    Person,
    Recipient,
    Rule,
    Settings,
    SettingsError,
    SizeRange,
    Sms,
)
from .read import load, read

__all__ = [
    "DEFAULT_IGNORE",
    "Bot",
    "Email",
    "Finding",
    "Person",
    "Recipient",
    "Rule",
    "Settings",
    "SettingsError",
    "SizeRange",
    "Sms",
    "load",
    "read",
]
