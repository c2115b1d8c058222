"""Monitors of kind http: does a server respond as expected. May import what chalicelib.monitors may."""
