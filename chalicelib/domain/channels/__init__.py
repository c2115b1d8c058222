"""What the settings say about each channel. May import platform and other values of domain."""
