"""Certificates as a balancer is given them: what is served, what is refused in which words, what a renewal does."""

from __future__ import annotations

import logging
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from discovery.balancer import certificate_files
from discovery.balancer.certificate_files import CertificateFiles
from discovery.balancer.certificates import Certificate, Keyring, certificate_of, untrusted
from discovery.balancer.model import Frontend, Model, Rule
from discovery.balancer.nginx_text import NginxSettings, nginx_text
from specs.model.routes import RouteMode
from tests.kit.certificates import Authority, key_pem, new_key

AUTHORITY = Authority()
GOOD = AUTHORITY.pair("shop.example.org")


def certificate(name: str, *hosts: str) -> Certificate:
    return Certificate(name=name, pem=b"", hosts=hosts, ends=0.0)


class TestOne:
    def test_a_certificate_is_for_its_names_and_a_wildcard_for_one_label_more(self) -> None:
        found = certificate_of("a.pem", AUTHORITY.pair("shop.example.org", "*.Other.org") + AUTHORITY.pem)
        assert found.hosts == ("shop.example.org", "*.other.org")
        asked = ("shop.example.org", "a.other.org", "*.other.org", "other.org", "a.b.other.org", "*.example.org")
        assert [found.is_for(host) for host in asked] == [True, True, True, False, False, False]

    @pytest.mark.parametrize(
        ("pem", "said"),
        [
            (b"hello", "it holds no certificate that can be read; wanted a certificate, its chain and its private key"),
            (GOOD.partition(b"-----BEGIN PRIVATE")[0], "it holds no private key"),
            (AUTHORITY.pem + GOOD, "not that of its first certificate; put the host's own certificate first"),
            (
                AUTHORITY.certificate(new_key(), "x") + key_pem(new_key(), BestAvailableEncryption(b"secret")),
                "its key is encrypted",
            ),
            (
                AUTHORITY.pem + b"-----BEGIN PRIVATE KEY-----\naaaa\n-----END PRIVATE KEY-----\n",
                "its private key cannot be read",
            ),
        ],
    )
    def test_what_a_balancer_could_not_serve_is_refused_with_the_cause(self, pem: bytes, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            certificate_of("a.pem", pem)

    def test_a_name_that_would_be_words_of_a_configuration_is_none(self) -> None:
        assert certificate_of("a.pem", AUTHORITY.pair("a;include b", "good.example.org")).hosts == ("good.example.org",)


class TestKeyring:
    KEYRING = Keyring(
        directory="/run",
        certificates=(
            certificate("a.pem", "a.org"),
            certificate("b c.pem", "*.b.org"),
            certificate("d.pem", "x.b.org"),
        ),
    )

    def test_a_host_gets_the_certificate_with_its_own_name_then_the_wildcard_then_the_first(self) -> None:
        asked = ("x.b.org", "y.b.org", "elsewhere.org", "")
        assert [self.KEYRING.path_for(host) for host in asked] == [
            "/run/002-d.pem",
            "/run/001-b_c.pem",
            "/run/000-a.pem",
            "/run/000-a.pem",
        ]

    def test_hosts_without_a_certificate_are_told_and_nginx_chooses_by_names_that_no_rule_has(self) -> None:
        rules = tuple(Rule(host=host, path="/", backend=None) for host in ("*.b.org", "c.org"))
        frontend = Frontend(listen=443, mode=RouteMode.HTTP, is_tls=True, rules=rules)
        model = Model(frontends=(frontend,))
        assert untrusted(model, self.KEYRING.certificates) == (
            "no certificate is for c.org: who comes there gets a.pem, and will not trust it",
        )
        text = nginx_text(model, NginxSettings(directory="/run"), self.KEYRING)
        names = [line.split()[1] for line in text.splitlines() if "server_name " in line]
        assert names == ["*.b.org;", "c.org;", "x.b.org;", "_;"]


class TestFiles:
    """`look` looks as often as it takes for a change to be taken."""

    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        monkeypatch.setattr(certificate_files, "LOOK_SECONDS", 0.0)
        caplog.set_level(logging.INFO)

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs" / "shop.pem").write_bytes(GOOD)
        return tmp_path / "certs"

    @pytest.fixture
    def new_files(self, source: Path, tmp_path: Path) -> Callable[[], CertificateFiles]:
        return lambda: CertificateFiles(source, tmp_path / "copies", tmp_path / "haproxy.cfg")

    def look(self, files: CertificateFiles) -> dict[str, bytes]:
        """The files that a balancer reads, by the names of the copies."""
        for _ in range(3):
            keyring = files.keyring()
        assert sorted(str(each) for each in Path(keyring.directory).iterdir()) == list(keyring.paths)
        return {Path(path).name: Path(path).read_bytes() for path in keyring.paths}

    def test_a_renewed_certificate_is_taken_when_it_has_been_written(
        self, new_files: Callable[[], CertificateFiles], source: Path, tmp_path: Path
    ) -> None:
        files, renewed = new_files(), AUTHORITY.pair("shop.example.org")
        assert self.look(files) == {"000-shop.pem": GOOD}
        before = files.keyring()
        (tmp_path / "haproxy.cfg").write_text(f"crt {before.directory} alpn")
        (source / "shop.pem").write_bytes(renewed)
        assert files.keyring() == before, "it may be in the middle of being written"
        (source / "shop.pem").write_bytes(renewed + b"\n")
        assert files.keyring() == before
        now = files.keyring()
        assert now.directory != before.directory, "other words in the configuration, and so a reload"
        assert self.look(files) == {"000-shop.pem": renewed + b"\n"}
        assert Path(before.directory).exists(), "the configuration of now names it"
        (tmp_path / "haproxy.cfg").write_text(f"crt {now.directory} alpn")
        files.keyring()
        assert [str(each) for each in (tmp_path / "copies").iterdir()] == [now.directory]
        assert stat.S_IMODE((tmp_path / "copies").stat().st_mode) == 0o700
        assert stat.S_IMODE(Path(now.paths[0]).stat().st_mode) == 0o600

    def test_what_certbot_leaves_is_a_certificate_and_one_that_is_taken_away_is_served_no_more(
        self, new_files: Callable[[], CertificateFiles], source: Path
    ) -> None:
        files, key = new_files(), new_key()
        chain = AUTHORITY.certificate(key, "www.example.org") + AUTHORITY.pem
        (source / "README").write_text("not a certificate")
        (source / "www.example.org").mkdir()
        (source / "www.example.org" / "fullchain.pem").write_bytes(chain)
        (source / "www.example.org" / "privkey.pem").write_bytes(key_pem(key))
        assert self.look(files) == {"000-shop.pem": GOOD, "001-www.example.org.pem": chain + b"\n" + key_pem(key)}
        (source / "shop.pem").unlink()
        assert list(self.look(files)) == ["000-www.example.org.pem"]

    @pytest.mark.parametrize(
        ("pem", "said"),
        [
            (b"hello", "it holds no certificate that can be read"),
            (AUTHORITY.pair("shop.example.org", days=-2), "it has expired, on "),
            (None, "No such file or directory"),
        ],
    )
    def test_a_bad_one_is_told_once_and_the_last_good_one_stays_also_for_a_follower_that_is_started_anew(
        self,
        new_files: Callable[[], CertificateFiles],
        source: Path,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        pem: bytes | None,
        said: str,
    ) -> None:
        files = new_files()
        self.look(files)
        (tmp_path / "haproxy.cfg").write_text(files.keyring().directory)
        (source / "shop.pem").unlink()
        (source / "shop.pem").symlink_to("elsewhere") if pem is None else (source / "shop.pem").write_bytes(pem)
        assert self.look(files) == {"000-shop.pem": GOOD}
        (source / "other.pem").write_bytes(AUTHORITY.pair("other.org"))
        assert self.look(files)["001-shop.pem"] == GOOD, "and others are taken nevertheless"
        assert caplog.text.count(f"{source}/shop.pem is refused, and the last good one stays: {said}") == 1
        assert self.look(new_files())["001-shop.pem"] == GOOD

    def test_where_none_is_left_those_of_before_stay(
        self, new_files: Callable[[], CertificateFiles], source: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        files = new_files()
        self.look(files)
        source.rename(source.with_name("away"))
        assert self.look(files) == {"000-shop.pem": GOOD}
        assert f"{source} cannot be read (No such file or directory): those of before stay" in caplog.text
        source.mkdir()
        assert self.look(files) == {"000-shop.pem": GOOD}
        assert f"there is no certificate in {source}: those of before stay" in caplog.text

    def test_a_new_one_that_has_expired_or_soon_will_is_served_and_told_once_a_day(
        self,
        source: Path,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        (source / "shop.pem").write_bytes(AUTHORITY.pair("shop.example.org", days=14.5))
        now = begin = time.time()
        files = CertificateFiles(source, tmp_path / "copies", tmp_path / "haproxy.cfg", lambda: now)
        told = []
        for days in (0, 0.9, 1, 2, 14, 15):
            now = begin + days * certificate_files.DAY_SECONDS
            caplog.clear()
            assert list(self.look(files)) == ["000-shop.pem"]
            told += [(days, each.getMessage()) for each in caplog.records if each.levelno > logging.INFO]
        assert [days for days, _ in told] == [0.9, 2, 14, 15]
        assert "certificate shop.pem expires on" in told[0][1]
        assert "certificate shop.pem has expired on" in told[-1][1]

    def test_a_key_that_openssl_does_not_take_keeps_the_others_served(
        self, new_files: Callable[[], CertificateFiles], source: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        (source / "weak.pem").write_bytes(AUTHORITY.certificate(weak, "weak.org") + key_pem(weak))
        assert list(self.look(new_files())) == ["000-shop.pem"]
        assert f"{source}/weak.pem is refused: OpenSSL does not take it: ee key too small" in caplog.text

    def test_nothing_is_wanted_where_no_directory_is_named(self, tmp_path: Path) -> None:
        files = CertificateFiles(None, tmp_path / "copies", tmp_path / "haproxy.cfg")
        assert files.keyring() == files.read() == Keyring()
        assert not (tmp_path / "copies").exists()
