"""The kernel's /proc: networks, the node, processes."""
