"""Virtual machines with cgroup v2, one a cgroup driver, each shared by all the tests that want it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest.agent import GuestAgent, GuestContainers, running_agent
from tests.support.guest import Driver, Guest, GuestUnavailableError, booted, install_podtick

HANGING = pytest.mark.timeout(1200)
"""A machine that is emulated boots within one minute, or, while others build on the same cores, within five."""
IDLE = "exec sleep 100000"
SCENE = {
    "busy": ("while :; do :; done", ["--cpus=0.05", "--network=none"]),
    "disk": (IDLE, ["--volume=/var/lib/podtick-test:/data", "--network=host"]),
    "small": (IDLE, ["--memory=16m", "--memory-swap=80m", "--shm-size=64m", "--pids-limit=20", "--network=none"]),
    "server": ("mkdir /www; exec httpd -f -p 80 -h /www", []),
    "sidecar": (IDLE, ["--network=container:server"]),
    "client": (IDLE, ["--restart=always"]),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(HANGING)


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


@pytest.fixture(scope="session")
def agent(guest: Guest) -> Iterator[GuestAgent]:
    """The agent of a guest; it must end well after all tests there."""
    with running_agent(guest) as running:
        yield running


@pytest.fixture(scope="session")
def scene(guest: Guest, agent: GuestAgent) -> Iterator[GuestContainers]:
    """Containers that the agent has seen from their beginning, shared because starting one takes seconds."""
    containers = GuestContainers(guest)
    containers.swap()
    containers.run({name: SCENE[name] for name in SCENE if name != "sidecar"})
    containers.run({"sidecar": SCENE["sidecar"]})
    try:
        usage = "podtick_container_cpu_usage_seconds_total"
        agent.wait_for(lambda scrape: {each.labels["container"] for each in scrape.all(usage)} >= set(SCENE), "all")
        yield containers
    finally:
        containers.remove()
