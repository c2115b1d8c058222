"""What `make run` and `make demo` play: sample uploads and incidents."""
