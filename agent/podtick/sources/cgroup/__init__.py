"""Kernel control groups, versions 1 and 2: discovery, reading plan, file formats."""
