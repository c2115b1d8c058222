"""One transport a module, the registry, and delivery receipts. May import domain and platform."""
