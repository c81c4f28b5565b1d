"""The tiers of the test suite: what each needs, installing it, and one pytest run over those asked for."""
