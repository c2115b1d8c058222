"""IAM policies: permissions as values, and what whoever deploys a stage may do. May import chalicelib."""
