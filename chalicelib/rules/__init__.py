"""Does a rule match an event, and who receives it. May import sources, domain and platform."""
