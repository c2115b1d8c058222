"""The webhook channel: its transport, the signature, and one file per message format. May import domain and platform."""
