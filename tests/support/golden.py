"""Golden files: the real program's output as it was last looked at and accepted."""

import difflib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Golden:
    """Compares a text with a file below tests/golden, or writes the file (`make golden`)."""

    folder: Path
    update: bool

    def check(self, name: str, text: str) -> None:
        """Fail with the difference, unless `text` is what the file `name` holds."""
        path = self.folder / name
        if self.update:
            path.write_text(text)
            return
        assert path.exists(), f"{path} does not exist yet: `make golden` writes it; look at it before committing"
        expected = path.read_text()
        if text != expected:
            lines = difflib.unified_diff(
                expected.splitlines(), text.splitlines(), str(path), "the program's output", lineterm=""
            )
            raise AssertionError("\n".join(("if this change is meant: `make golden`", *lines)))
