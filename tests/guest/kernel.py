"""Texts of the guest's kernel, read in the plainest way, and what the agent says of the same."""

from tests.support.scrape import Scrape

LEVELS = ("container", "pod")


def keyed(text: str) -> dict[str, int]:
    """`KEY VALUE` lines."""
    return {key: int(value) for key, value in (line.split() for line in text.splitlines())}


def io(text: str) -> dict[str, int]:
    """`io.stat`, summed over the devices."""
    sums = {"rbytes": 0, "wbytes": 0, "rios": 0, "wios": 0}
    for word in text.split():
        key, equals, value = word.partition("=")
        if equals and key in sums:
            sums[key] += int(value)
    return sums


def pressure(text: str) -> dict[str, float]:
    """Seconds by `some` and `full`."""
    return {line.split()[0]: int(line.rpartition("=")[2]) / 1e6 for line in text.splitlines()}


def both(scrape: Scrape, name: str, pod: str) -> float:
    """A number of a pod of one container, which is the same at both levels."""
    values = {scrape.known(f"podtick_{level}_{name}", pod=pod) for level in LEVELS}
    assert len(values) == 1, values
    return values.pop()
