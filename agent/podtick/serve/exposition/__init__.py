"""Prometheus text and OpenMetrics, written from the history."""
