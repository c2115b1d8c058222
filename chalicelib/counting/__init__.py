"""Counts what DynamoDB streams report: sent messages, files and changed items. May import delivery and everything below."""
