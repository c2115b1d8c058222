"""Sends waiting messages at the pace of their providers; may import everything that delivery may."""
