"""Messages from events: templates, variables, filters, phrases and charts. May import rules, policy, domain and platform."""
