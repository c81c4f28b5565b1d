"""Foreign text in our own messages."""


def one_line(text: str) -> str:
    """Return foreign text as it may stand in a message: short, on one line, without control characters."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text[:1000].split()))[:200]
