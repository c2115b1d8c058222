"""Creates the user's own folder of settings, templates and stage variables, and links it into the project."""
