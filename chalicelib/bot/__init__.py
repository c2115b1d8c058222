"""The bot: what app.py calls, and how it is built from the environment. May import every other package of chalicelib."""
