"""The console's own rows in the ledger's table: sign-in links, attempts, and the audit log. May import store's row keys."""
