"""Monitors of kind freshness: did data arrive on time. May import what chalicelib.monitors may."""
