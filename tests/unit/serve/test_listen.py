"""Addresses to listen on, and those that are none."""

import errno
import logging
import socket

import pytest

from podtick.serve import listen
from podtick.serve.listen import Address, ListenError, bind, parse_listen, url_of


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("127.0.0.1:9752", Address("127.0.0.1", 9752), "127.0.0.1:9752"),
        ("[::]:80", Address("::", 80), "[::]:80"),
        ("[::1]:0", Address("::1", 0), "[::1]:0"),
        (":9752", Address("::", 9752), "[::]:9752"),
        ("localhost:9752", Address("localhost", 9752), "localhost:9752"),
        (" node-1.example:1 ", Address("node-1.example", 1), "node-1.example:1"),
    ],
)
def test_addresses(text: str, address: Address, shown: str) -> None:
    assert parse_listen(text) == address
    assert str(address) == shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("9752", "has no port"),
        ("localhost", "has no port"),
        ("host:http", "the port must be a number"),
        ("host:65536", "the port must be a number"),
        ("host:-1", "the port must be a number"),
        ("host:٣", "the port must be a number"),
        ("host:", "the port must be a number"),
        ("::1:9752", "stands in brackets"),
        ("[fe80::zz]:9752", "no IPv6 address between the brackets"),
        ("[127.0.0.1]:9752", "no IPv6 address between the brackets"),
        ("http://127.0.0.1:9752", "stands in brackets"),
        ("a b:9752", "names no host"),
        ("x" * 5000 + ":1", "names no host"),
    ],
)
def test_what_is_no_address_says_what_would_be(text: str, told: str) -> None:
    with pytest.raises(ListenError) as raised:
        parse_listen(text)
    assert told in str(raised.value)
    assert "write HOST:PORT" in str(raised.value)
    assert len(str(raised.value)) < 300


async def test_a_free_port_is_found() -> None:
    (bound,) = await bind(Address("127.0.0.1", 0))
    with bound:
        port = bound.getsockname()[1]
        assert url_of(bound) == f"http://127.0.0.1:{port}/"


async def test_a_port_in_use_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port} is in use by another program"):
            await bind(Address("127.0.0.1", port))


async def test_an_address_of_another_machine_is_said_so() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:0 is no address of this machine"):
        await bind(Address("192.0.2.1", 0))


async def test_a_name_that_is_none_is_said_so() -> None:
    with pytest.raises(ListenError, match=r"no-such-host\.invalid is no address"):
        await bind(Address("no-such-host.invalid", 0))


async def test_without_ipv6_every_address_is_every_ipv4_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bind_one = listen._bind_one

    def without_ipv6(family: int, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return bind_one(family, host, port)

    monkeypatch.setattr(listen, "_bind_one", without_ipv6)
    with caplog.at_level(logging.INFO):
        (bound,) = await bind(parse_listen("[::]:0"))
    with bound:
        assert bound.family == socket.AF_INET
        assert url_of(bound).startswith("http://127.0.0.1:")
    assert "this machine has no IPv6: listening on 0.0.0.0:0 instead of [::]:0" in caplog.text


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_every_address_is_ipv4_too() -> None:
    (bound,) = await bind(parse_listen("[::]:0"))
    with bound:
        assert bound.family == socket.AF_INET6
        socket.create_connection(("127.0.0.1", bound.getsockname()[1]), timeout=5).close()
