"""Virtual machines with cgroup v2, one a cgroup driver, each shared by all the tests that want it."""

from collections.abc import Iterator

import pytest

from tests.support.guest import Driver, Guest, GuestUnavailableError, booted, install_podtick


@pytest.fixture(scope="session", params=["systemd", "cgroupfs"])
def guest(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A booted guest that has podtick; tests remove their own containers."""
    driver: Driver = request.param
    try:
        with booted(driver) as machine:
            install_podtick(machine)
            yield machine
    except GuestUnavailableError as reason:
        pytest.skip(str(reason))
