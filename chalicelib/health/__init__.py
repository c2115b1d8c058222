"""The health of the bot itself: rules, the hourly check and the heartbeat. May import delivery and everything below."""
