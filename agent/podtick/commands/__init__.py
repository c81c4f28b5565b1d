"""One module a command; each wires one program together."""
