"""Pods of podtick's own, for a machine that has none to watch: real processes in real cgroups."""
