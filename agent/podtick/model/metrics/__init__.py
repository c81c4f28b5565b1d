"""The metric table: one row a metric, from which the reading plan and every output are derived."""
