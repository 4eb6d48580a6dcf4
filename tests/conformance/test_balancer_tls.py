"""TLS of both balancers, real ones: the right certificate for each host, and what a renewal of it does to requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.balancer.certificate_files import CertificateFiles
from discovery.balancer.haproxy import Haproxy
from discovery.balancer.haproxy_text import Settings
from discovery.balancer.model import BackendServer, Frontend, Model, Rule
from discovery.balancer.nginx import Nginx
from discovery.balancer.nginx_text import NginxSettings
from specs.model.routes import RouteMode
from tests.conformance.executor_kit import wait_until
from tests.kit.certificates import Authority, TlsConnection, serial
from tests.kit.origins import HOST, NewServer, ask, model
from tests.kit.traffic import Traffic

OTHER = "a.other.org"
TLS = 8443
Proxy = Haproxy | Nginx


class Stand:
    """A balancer, and the directory `certs` that it gets its certificates from."""

    def __init__(self, proxy: Proxy, files: CertificateFiles, certs: Path, address: str) -> None:
        self.proxy = proxy
        self.files = files
        self.certs = certs
        self.address = address
        self.authority = Authority()

    def put(self, name: str, pem: bytes) -> None:
        """Writes a file of certificates as those who renew them do: in one go."""
        (self.certs / f".{name}").write_bytes(pem)
        (self.certs / f".{name}").replace(self.certs / name)

    def brings(self, wanted: Model, condition: Callable[[], object]) -> None:
        """Brings the model, again and again, until the condition holds."""

        def is_so() -> object:
            self.proxy.bring(wanted, self.files.keyring())
            return condition()

        wait_until(is_so, 30, lambda: "the condition does not hold")

    def ask(self, host: str, path: str = "/") -> tuple[int, str]:
        """The serial number of the certificate that a host gets, and what is answered; 0 where it is not served."""
        connection = self.connection(host, "http/1.1")
        try:
            connection.request("GET", path, headers={"Host": host})
            served, answer = connection.served, connection.getresponse().read().decode()
        except OSError:
            return 0, ""
        connection.close()
        return served, answer

    def connection(self, host: str, *protocols: str) -> TlsConnection:
        """A new one."""
        return TlsConnection(self.address, host, self.authority.context(*protocols))


@pytest.fixture(params=["haproxy", "nginx"])
def stand(request: pytest.FixtureRequest, subnet: int, tmp_path: Path) -> Iterator[Stand]:
    bind, directory, certs = f"127.{subnet}.0.1", tmp_path / "own", tmp_path / "certs"
    certs.mkdir()
    proxy: Proxy
    if request.param == "haproxy":
        settings = Settings(socket=str(tmp_path / "socket"), bind=bind)
        proxy, config = Haproxy(directory, settings, "", 30.0, "haproxy"), directory / "haproxy.cfg"
    else:
        proxy, config = Nginx(NginxSettings(directory=str(directory), bind=bind), "nginx"), directory / "nginx.conf"
    files = CertificateFiles(certs, directory / "certificates", config)
    yield Stand(proxy, files, certs, f"{bind}:{TLS}")
    proxy.end()


def with_tls(server: BackendServer) -> Model:
    """Two hosts with TLS; who comes to the first without is sent there."""
    plain = model(server)
    rules = tuple(replace(plain.frontends[0].rules[0], host=host) for host in (HOST, OTHER))
    redirect = replace(plain.frontends[0], rules=(Rule(host=HOST, path="/", backend=None),))
    return replace(plain, frontends=(redirect, Frontend(listen=TLS, mode=RouteMode.HTTP, is_tls=True, rules=rules)))


def test_each_host_gets_its_certificate_and_who_comes_without_tls_is_sent_there(
    stand: Stand, subnet: int, new_server: NewServer
) -> None:
    shop, other = stand.authority.pair(HOST), stand.authority.pair("*.other.org")
    stand.put("shop.pem", shop)
    stand.put("a-wildcard.pem", other)
    wanted = with_tls(new_server().server)
    stand.brings(wanted, lambda: stand.ask(HOST, "/proto") == (serial(shop), "https"))
    assert stand.ask(OTHER, "/proto") == (serial(other), "https")
    connection = stand.connection(HOST, "h2", "http/1.1")
    connection.connect()
    assert connection.sock.selected_alpn_protocol() == "h2"
    connection.close()
    sent = ask(subnet, "/a/b?x=1&y=2", host=f"{HOST}:8000")
    assert (sent.status, sent.getheader("Location")) == (301, f"https://{HOST}/a/b?x=1&y=2")


def test_a_renewed_certificate_is_served_without_a_lost_request_and_a_bad_one_is_told_and_not_served(
    stand: Stand, new_server: NewServer, caplog: pytest.LogCaptureFixture
) -> None:
    first, renewed = stand.authority.pair(HOST), stand.authority.pair(HOST)
    stand.put("shop.pem", first)
    wanted = with_tls(new_server().server)
    stand.brings(wanted, lambda: stand.ask(HOST)[0] == serial(first))
    # nginx closes kept connections that are idle, also while a request is on its way there: docs/balancers.md.
    clients = 4 if isinstance(stand.proxy, Haproxy) else 0
    context = stand.authority.context("http/1.1")
    with Traffic(
        lambda: stand.address, HOST, clients, lambda address: TlsConnection(address, HOST, context)
    ) as traffic:
        stand.put("shop.pem", renewed)
        stand.brings(wanted, lambda: stand.ask(HOST)[0] == serial(renewed))
        stand.put("shop.pem", first.partition(b"-----BEGIN PRIVATE")[0])
        stand.brings(wanted, lambda: "is refused, and the last good one stays: it holds no private key" in caplog.text)
        stand.put("other.pem", stand.authority.pair(OTHER))
        stand.brings(wanted, lambda: stand.ask(OTHER)[0])
        assert stand.ask(HOST)[0] == serial(renewed), "and nobody else waits for it"
    assert traffic.failures == []
    assert len(traffic.seconds) >= clients
