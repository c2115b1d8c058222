"""Installs the virtual environments and tools that the project needs. Imports only the standard library."""
