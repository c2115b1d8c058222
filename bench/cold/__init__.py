"""`make bench`: compares the cost of an upload, cold and warm, with other bots in AWS's own Lambda runtime."""
