"""Clock, logging, AWS clients, secrets, parallelism and text: knows nothing of the bot, imports nothing of it."""
