"""`/api/v1`: the same readings as JSON: the newest second, what a window comes to, and every second since."""
