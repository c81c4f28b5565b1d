"""The outside systems, a folder each; none knows its siblings."""
