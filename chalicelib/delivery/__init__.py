"""The steps from an event to a sent message. May import store, channels and everything below."""
