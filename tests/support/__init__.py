"""What tests stand on: a real engine, a guest, golden files."""
