"""Conditions that few rules have: values that are loaded only when a rule has one. Imports domain and platform."""
