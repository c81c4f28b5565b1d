"""The metric table: one row a metric, a file a family."""
