"""The log of deliveries: filters, pages, and everything about one of them. May import the console's pages."""
