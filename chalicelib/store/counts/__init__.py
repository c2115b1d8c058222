"""The counters' table: what was counted, per hour, day and month, each record once. May import domain, policy and platform."""
