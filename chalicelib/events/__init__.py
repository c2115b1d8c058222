"""Events: one converter per source, each from a payload of AWS to our own frozen Event."""

from .model import Batch, Creation, Event, Kind, Unknown, Upload, identity_of, late_identity

__all__ = ["Batch", "Creation", "Event", "Kind", "Unknown", "Upload", "identity_of", "late_identity"]
