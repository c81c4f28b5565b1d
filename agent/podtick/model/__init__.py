"""What is known about targets and their readings: pure values, no I/O, no clock, no asyncio."""
