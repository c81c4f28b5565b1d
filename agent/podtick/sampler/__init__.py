"""The process that ticks: reads kernel files once a second and writes the history."""
