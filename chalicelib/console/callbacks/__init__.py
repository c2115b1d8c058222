"""Routes that providers call. A view checks the provider's signature before anything else."""
