"""The dashboard: what it reads, its charts, and its page. May import the log and the console's pages."""
