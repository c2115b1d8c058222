"""What DynamoDB streams are counted into. May import delivery and everything below."""
