"""Messages from events: templates, filters, phrases and charts. May import rules, policy, domain and platform."""
