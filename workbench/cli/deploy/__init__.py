"""Commands around a deployment: the deployer's policy, the smoke test, the Terraform module. May import everything below cli."""
