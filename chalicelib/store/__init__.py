"""Every DynamoDB and SQS access of the bot. May import policy, rules, sources, domain and platform."""
