"""Events: one converter per source, each from a payload of AWS to our own frozen Event."""

from .model import Batch, Creation, Event, Kind, Severity, Unknown, Upload, identity_of, late_identity
from .summary import Digest, Part, Share, Summary, Whole

__all__ = [
    "Batch",
    "Creation",
    "Digest",
    "Event",
    "Kind",
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
