"""What runs on your machine and never in Lambda: the CLI, the local world, the inbox, the Twilio double."""
