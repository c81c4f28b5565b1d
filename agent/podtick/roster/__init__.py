"""Which targets exist now and who they are; owner of the sampler process."""
