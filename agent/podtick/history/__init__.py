"""The shared hour: one mapped region written by the sampler, read by the agent."""
