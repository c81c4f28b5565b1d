"""`podtick stats` beside `docker stats`, at the same engine over a unix socket, over TCP and over TLS."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.docker.containers import BUSY, MIB, Containers
from tests.docker.meter import Meter
from tests.docker.peers import SHORT, Figures, our_table, ours, podtick, theirs
from tests.support.certificates import certificates
from tests.support.engine import EngineUnavailable
from tests.support.engine.choice import chosen

HOLDS = ("sh", "-c", 'held=$(dd if=/dev/zero bs=1M count=20 | tr "\\0" x); touch /held; sleep 100000; echo $held')
HELD = ("sh", "-c", "until [ -e /held ]; do sleep 0.1; done")
SHARE = ("--cpu-period", "10000", "--cpu-quota", "1000")  # periods so short that one more or less is no difference
GATEWAY = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}"
STILL = ("st-memory", "st-network", "st-host")
WITHOUT_NETWORK = ("st-memory", "st-host")


@dataclass(frozen=True, slots=True)
class Peer:
    """An engine's containers with their short IDs, and the environment in which both commands ask it."""

    environment: Mapping[str, str] = field(repr=False)
    containers: Containers = field(repr=False)
    ids: Mapping[str, str] = field(repr=False)

    def both(self, *names: str) -> tuple[dict[str, Figures], dict[str, Figures]]:
        """What ours and theirs say of the same second."""
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(theirs, self.environment, *names)
            return ours(self.environment, *names), other.result()


@pytest.fixture(scope="module", params=["unix", "tcp", "tls"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """An engine that is asked in one of three ways, with containers of which most stand still."""
    way, make = request.param, chosen().make
    if way != "unix" and not make.TCP:
        pytest.skip("this engine listens on one address")
    issuer = certificates(tmp_path_factory.mktemp("tls"))
    tls = issuer.server_files() if way == "tls" else None
    try:
        with make(tcp=way != "unix", tls=tls) as engine, Containers(engine) as containers:
            environment = engine.environment | ({"DOCKER_HOST": engine.tcp} if engine.tcp else {})
            if tls:
                environment |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(issuer.client().folder)}
            yield Peer(environment, containers, {name: id_[:SHORT] for name, id_ in start(containers).items()})
    except EngineUnavailable as reason:
        pytest.skip(str(reason))


def start(containers: Containers) -> dict[str, str]:
    """Run all four; what they move and hold they have moved and hold when this returns. Their IDs."""
    ids = {
        "st-busy": containers.run("st-busy", *BUSY, options=SHARE),
        "st-memory": containers.run("st-memory", *HOLDS, options=["--memory", "64m"]),
        "st-network": containers.run("st-network", network="bridge"),
        "st-host": containers.run("st-host", network="host"),
    }
    gateway = containers.engine.docker("inspect", "--format", GATEWAY, "st-network")
    containers.execute("st-network", "ping", "-c", "20", "-i", "0.05", "-s", "20000", "-q", gateway)
    containers.execute("st-memory", *HELD)
    return ids


def assert_within(meter: Meter, *figures: Figures) -> None:
    """A busy host gives the container less than its tenth of a core, and not in each second the same."""
    least, most = meter.least_and_most()
    assert most < 11
    for each in figures:
        assert each.cpu is not None
        assert least - 1.5 < each.cpu < most + 1.5


def test_a_share_of_a_core(peer: Peer) -> None:
    with Meter(peer.containers.paths("st-busy")) as meter:
        mine = ours(peer.environment, "st-busy")
    assert_within(meter, mine[peer.ids["st-busy"]])


@pytest.mark.needs("cpu-of-docker")
def test_docker_says_the_same_share(peer: Peer) -> None:
    with Meter(peer.containers.paths("st-busy")) as meter:
        mine, yours = peer.both("st-busy")
    assert_within(meter, mine[peer.ids["st-busy"]], yours[peer.ids["st-busy"]])


def assert_same(mine: Figures, yours: Figures) -> None:
    """All but the CPU. `docker` rounds, neighbours say hello at any moment, the kernel charges 64 pages at once."""
    assert mine.memory == pytest.approx(yours.memory, rel=0.01, abs=MIB / 2)
    assert mine.limit == pytest.approx(yours.limit, rel=0.001)
    assert mine.memory_percent == pytest.approx(yours.memory_percent, abs=1)
    assert mine.pids == yours.pids
    for count, docker_count in ((mine.read, yours.read), (mine.written, yours.written)):
        assert (count or 0) == pytest.approx(docker_count, rel=0.01)  # what is unknown is 0 to `docker`
    for count, docker_count in ((mine.received, yours.received), (mine.sent, yours.sent)):
        assert (count or 0) == pytest.approx(docker_count, rel=0.01, abs=2000)


def test_json_says_what_docker_says(peer: Peer) -> None:
    mine, yours = peer.both(*STILL)
    ids = [peer.ids[name] for name in STILL]
    assert mine.keys() == yours.keys() == set(ids)
    for id_ in ids:
        assert_same(mine[id_], yours[id_])
    memory, network, _ = (mine[id_] for id_ in ids)
    assert memory.limit == 64 * MIB
    assert 20 * MIB <= (memory.memory or 0) <= 60 * MIB
    assert (network.received or 0) > 20 * 20_000


def test_who_has_no_network_of_its_own_has_no_figures_of_it(peer: Peer) -> None:
    every = ours(peer.environment)  # listed, where Podman does not say which network they have
    for figures in (*(every[peer.ids[name]] for name in WITHOUT_NETWORK), *ours(peer.environment, "st-host").values()):
        assert (figures.received, figures.sent) == (None, None)


def test_the_table_says_what_docker_says(peer: Peer) -> None:
    mine, yours = our_table(peer.environment), theirs(peer.environment)
    assert mine.keys() == yours.keys() == set(peer.ids.values())
    for name in STILL:
        assert_same(mine[peer.ids[name]], yours[peer.ids[name]])


def test_a_container_that_is_not_there(peer: Peer) -> None:
    done = podtick(peer.environment, "st-nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "podtick: there is no container 'st-nobody': podtick stats --all shows all there are\n"
