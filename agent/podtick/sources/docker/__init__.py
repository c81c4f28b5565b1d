"""The Docker Engine API: which containers exist, and what happens to them."""
