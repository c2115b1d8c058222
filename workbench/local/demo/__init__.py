"""The demos of `make run` and `make demo`: sample uploads, sample incidents and a web server that can fail."""
