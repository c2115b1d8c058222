"""Sets up virtual environments and tools, with nothing but a Python."""
