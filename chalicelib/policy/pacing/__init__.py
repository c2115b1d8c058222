"""Decides how fast each channel's messages are sent and in which order. Pure; may import policy, domain and platform."""
