"""Whether a rule matches an event, and who receives it. May import sources, domain and platform."""
