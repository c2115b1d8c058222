"""Events: one converter per source, each from a payload of AWS to our own frozen Event."""

from .change import BusEvent, Did, Item
from .incident import Change, Level, News
from .model import Batch, Creation, Event, Kind, Severity, Unknown, Upload, identity_of, late_identity
from .summary import Digest, Line, Part, Share, Summary, Whole

__all__ = [
    "Batch",
    "BusEvent",
    "Change",
    "Creation",
    "Did",
    "Digest",
    "Event",
    "Item",
    "Kind",
    "Level",
    "Line",
    "News",
    "Part",
    "Severity",
    "Share",
    "Summary",
    "Unknown",
    "Upload",
    "Whole",
    "identity_of",
    "late_identity",
]
