"""Message transports (one per file), their registry, and Twilio's delivery receipts. May import domain and platform."""
