import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.sources.docker.endpoint import DEFAULT_DOCKER_HOST, Endpoint, parse_endpoint
from podtick.sources.docker.errors import EndpointError


@pytest.mark.parametrize(
    ("text", "endpoint", "shown"),
    [
        (DEFAULT_DOCKER_HOST, Endpoint("/var/run/docker.sock"), DEFAULT_DOCKER_HOST),
        (" unix:///run/podman.sock ", Endpoint("/run/podman.sock"), "unix:///run/podman.sock"),
        ("tcp://10.0.0.1:2375", Endpoint(None, "10.0.0.1", 2375), "tcp://10.0.0.1:2375"),
        ("tcp://engine", Endpoint(None, "engine"), "tcp://engine:2375"),
        ("http://engine:80/", Endpoint(None, "engine", 80), "tcp://engine:80"),
        ("tcp://[::1]:2375", Endpoint(None, "::1", 2375), "tcp://[::1]:2375"),
    ],
)
def test_reads_what_docker_reads(text: str, endpoint: Endpoint, shown: str) -> None:
    assert parse_endpoint(text) == endpoint
    assert str(endpoint) == shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no scheme"),
        ("/var/run/docker.sock", "did you mean unix:///var/run/docker.sock"),
        ("localhost:2375", "no scheme"),
        ("ssh://host", "ssh:// is not supported: unix:///PATH and tcp://HOST:PORT work"),
        ("npipe:////./pipe/docker_engine", "npipe:// is not supported"),
        ("fd://", "fd:// is not supported"),
        ("https://host:2376", "set DOCKER_TLS_VERIFY=1"),
        ("unix://docker.sock", "not an absolute path"),
        ("unix:///" + "x" * 107, "at most 107 bytes"),
        ("unix:///\0", "a path with such characters cannot be used"),
        ("unix:///\udcff", "a path with such characters cannot be used"),  # a byte of the environment that is no UTF-8
        ("tcp://", "the host is missing"),
        ("tcp://ho st:2375", "neither a host name nor an address"),
        ("tcp://" + "x" * 64 + ":2375", "neither a host name nor an address"),
        ("tcp://:2375", "the host is missing"),
        ("tcp://host:0", "port 0"),
        ("tcp://host:port", "write tcp://HOST:PORT"),
        ("tcp://host:99999", "write tcp://HOST:PORT"),
        ("tcp://host:1/prefix", "nothing may follow the port"),
        ("tcp://[::1", "write tcp://HOST:PORT"),
    ],
)
def test_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(EndpointError) as error:
        parse_endpoint(text)
    assert says in str(error.value)


def test_never_repeats_a_password() -> None:
    for text in ("tcp://me:hunter2@host:1", "tcp://me:hunter2@host:port", "https://me:hunter2@host"):
        with pytest.raises(EndpointError) as error:
            parse_endpoint(text)
        assert "hunter2" not in str(error.value)


@given(st.text() | st.text().map("tcp://{}".format) | st.text().map("unix:///{}".format))
def test_any_text_is_an_endpoint_or_an_endpoint_error(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except EndpointError:
        return
    assert bool(endpoint.socket_path) != bool(endpoint.host)
