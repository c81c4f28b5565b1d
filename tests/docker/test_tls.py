"""An engine that listens with TLS and asks for a certificate, as DOCKER_TLS_VERIFY means it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from podtick.sources.docker.tls import TlsFiles
from tests.docker.containers import Containers
from tests.docker.peers import SHORT, ours, podtick
from tests.support.agent import Agent
from tests.support.certificates import Certificates, certificates
from tests.support.engine import Engine, EngineUnavailable
from tests.support.engine.choice import chosen, source

USAGE = "podtick_container_cpu_usage_seconds_total"
pytestmark = pytest.mark.needs("tcp")


@dataclass(frozen=True, slots=True)
class Secured:
    """An engine, and who issued its certificate; another authority besides, which it does not know."""

    engine: Engine
    issuer: Certificates
    stranger: Certificates

    def environment(self, files: TlsFiles) -> dict[str, str]:
        """What turns a command to the engine, with these files."""
        assert self.engine.tcp is not None
        return {"DOCKER_HOST": self.engine.tcp, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(files.folder)}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    issuer, stranger = (certificates(tmp_path_factory.mktemp(name)) for name in ("issuer", "stranger"))
    try:
        with chosen().make(tcp=True, tls=issuer.server_files()) as engine:
            yield Secured(engine, issuer, stranger)
    except EngineUnavailable as reason:
        pytest.skip(str(reason))


def test_the_agent_and_stats_work_with_the_right_certificate(secured: Secured) -> None:
    environment = secured.environment(secured.issuer.client("right"))
    with Containers(secured.engine) as containers, Agent("--source", source(), environment=environment) as agent:
        one = containers.run("tls-one")
        agent.wait_for(lambda scrape: scrape.value(USAGE, container="tls-one") is not None, "its numbers")
        assert "ok docker: listed" in agent.get("/readyz")[1]
        assert ours(environment).keys() == {one[:SHORT]}


@pytest.mark.parametrize(
    ("whose", "says"),
    [
        ("stranger", "does the engine accept the certificate cert.pem?"),  # the engine does not know who signed ours
        ("distrust", "the engine's certificate is not to be trusted"),  # ours does not know who signed the engine's
    ],
)
def test_a_wrong_certificate_is_one_clear_line(secured: Secured, whose: str, says: str) -> None:
    if whose == "stranger":
        files = secured.stranger.client(whose, trusts=secured.issuer.authority)
    else:
        files = secured.issuer.client(whose, trusts=secured.stranger.authority)
    environment = secured.environment(files)
    done = podtick(environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"podtick: {secured.engine.tcp}")
    assert says in done.stderr
    with Agent("--source", source(), environment=environment, ready=False) as agent:
        agent.wait_until(lambda: says in agent.get("/readyz")[1], "the reason")
        assert agent.get("/readyz")[0] == 503


def test_without_tls_it_is_said_that_the_engine_wants_it(secured: Secured) -> None:
    done = podtick({"DOCKER_HOST": secured.engine.tcp or ""})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "HTTP" in done.stderr
