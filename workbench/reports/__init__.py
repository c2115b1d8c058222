"""What the commands show: the log, explanations, checks and costs."""
