"""The tools that run on your machine and never in Lambda: the CLI, the local environment, deployment, doctor, reports."""
