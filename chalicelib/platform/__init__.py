"""Clock, logging, AWS clients, secrets, parallelism and text: knows nothing about the bot and imports none of it."""
