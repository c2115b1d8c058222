"""A local HTTP proxy that records requests and injects faults. Imports nothing from its siblings."""
