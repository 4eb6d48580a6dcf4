"""Whole configurations of balancers, as they are written (GOLDEN=write writes them anew); HAProxy itself
finds that it can read them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from discovery.balancer.certificates import Certificate, Keyring
from discovery.balancer.haproxy_text import BASE, Settings, haproxy_text
from discovery.balancer.lines import allotted
from discovery.balancer.model import Model
from discovery.balancer.nginx_text import NginxSettings, nginx_text, unserved
from specs.model.routes import Balance, Route, RouteMode, Tls
from tests.kit.balanced import API, DEV, HOST, WEB, served

HERE = Path(__file__).parent
SETTINGS = Settings(socket="/run/b/haproxy.sock", bind="10.0.0.9", stats="127.0.0.1:9000")
KEYRING = Keyring(
    directory="/run/b/certificates/0123456789abcdef",
    certificates=tuple(
        Certificate(name=f"{hosts[0]}.pem", pem=b"", hosts=hosts, ends=0.0)
        for hosts in (("a.example.org",), ("shop.example.org", "eu.shop.example.org"))
    ),
)


def shop() -> Model:
    return served(
        (WEB, Route(port="http", hosts=(*HOST, "*.shop.example.org"), tls=Tls.ALSO)),
        (DEV, Route(port="http", hosts=("dev.example.org",), balance=Balance.SOURCE)),
        (API, Route(port="http", hosts=HOST, path="/api/v1.0", tls=Tls.ONLY, is_sticky=True)),
        (API, Route(port="admin", listen=9000, mode=RouteMode.TCP, balance=Balance.ROUNDROBIN)),
    )


NGINX = NginxSettings(directory="/run/b", bind="10.0.0.9")


def test_haproxy() -> None:
    model = shop()
    is_as_before(haproxy_text(model, allotted({}, model, 0.0, set(), 60.0), SETTINGS, KEYRING), "haproxy.cfg")


def test_nginx() -> None:
    model = shop()
    is_as_before(nginx_text(model, NGINX, KEYRING), "nginx.conf")
    assert unserved(model) == (
        "port 9000 is for connections (mode: tcp), which nginx does not pass on here; HAProxy does",
    )


def is_as_before(text: str, name: str) -> None:
    if os.environ.get("GOLDEN") == "write":
        (HERE / name).write_text(text, encoding="utf-8")
    assert text == (HERE / name).read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="HAProxy is not installed; `make install` does")
def test_haproxy_reads_it(tmp_path: Path) -> None:
    (tmp_path / "base.cfg").write_text(BASE)
    text = (HERE / "haproxy.cfg").read_text(encoding="utf-8")
    text = text.replace(f" ssl crt {KEYRING.directory} alpn h2,http/1.1", "")
    (tmp_path / "haproxy.cfg").write_text(text)
    command = ["haproxy", "-c", "-f", str(tmp_path / "base.cfg"), "-f", str(tmp_path / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
