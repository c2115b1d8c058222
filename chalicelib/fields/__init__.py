"""Readers of single settings fields, below settings and monitors. May import domain and platform."""
