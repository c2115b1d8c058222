"""What happened to a real event, and what a recorded payload would cause. May import the other reports."""
