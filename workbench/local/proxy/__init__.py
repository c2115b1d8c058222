"""A proxy on this machine that records requests and injects faults."""
