"""AWS payloads to Events, one source a module. May import domain and platform."""
