"""Monitors of CloudWatch metrics, and ready-made sets of them. May import what chalicelib.monitors may."""
