"""Checks requests to the local account against AWS's service models and documented limits, which MiniStack does not enforce."""
