"""podtick's tests: a folder a tier."""
