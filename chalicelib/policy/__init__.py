"""Policy: pure decisions, one file a stage; values and `now` in, values and a reason out."""
