"""Queries and answers as bytes: what dnspython asks and understands, and what no client would send."""

from __future__ import annotations

import random
import struct

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from discovery.dns.answers import MOST_UDP_BYTES, OWN_UDP_BYTES, Answers, Elsewhere
from discovery.dns.names import Groups, Names, Reach
from discovery.dns.zone import Zone, ZoneSettings
from tests.kit.named_endpoints import endpoint, grouped

DOMAIN = "fw.internal"
ZONE = ZoneSettings(domain=DOMAIN, ttl_seconds=5, servers=("10.0.0.53", "fd00::53"), mesos_dns="marathon.mesos")
MANY = grouped(*(endpoint("big/web", slot, address=f"10.1.{slot // 250}.{slot % 250}") for slot in range(500)))
FEW = grouped(
    endpoint("abc/pricing", 0, address="10.0.0.1"),
    endpoint("abc/pricing", 1, address="10.0.0.2"),
    endpoint("abc/pricing", 2, address="10.0.0.3"),
    endpoint("abc/six", 0, address="fd00::7"),
)


def answers(groups: Groups, everything: Groups | None = None) -> Answers:
    ready, all_tasks = Names(Reach.AGENT), Names(Reach.AGENT)
    ready.update(groups)
    all_tasks.update(everything or {})
    made = Answers(Zone(ZONE, ready, all_tasks), random.Random(7), offers_recursion=True)
    made.knows = True
    return made


FIXED = answers({**FEW, **MANY}, {**FEW, **grouped(endpoint("abc/sick", address="10.0.0.9"))})


def ask(
    name: str, rdtype: str = "A", *, udp: bool = True, size: int = 0, server: Answers = FIXED, **options: object
) -> dns.message.Message:
    edns = {"use_edns": 0, "payload": size} if size else {}
    query = dns.message.make_query(name, rdtype, **edns, **options)  # type: ignore[arg-type]
    said = server.answer(query.to_wire(), is_udp=udp, may_refresh=False)
    assert isinstance(said, bytes)
    assert len(said) <= (max(size, 512) if udp else 65535)
    message = dns.message.from_wire(said)
    assert query.is_response(message) or message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    return message


def texts(message: dns.message.Message) -> list[str]:
    return sorted(f"{record.ttl} {each}" for record in message.answer for each in record)


def test_addresses_of_a_service_by_version() -> None:
    said = ask(f"pricing.abc.service.{DOMAIN}")
    assert said.flags & (dns.flags.AA | dns.flags.RA | dns.flags.RD) == dns.flags.AA | dns.flags.RA | dns.flags.RD
    assert texts(said) == ["5 10.0.0.1", "5 10.0.0.2", "5 10.0.0.3"]
    assert texts(ask(f"six.abc.service.{DOMAIN}", "AAAA")) == ["5 fd00::7"]


def test_ports_come_with_names_that_lead_to_their_addresses() -> None:
    said = ask(f"_http._tcp.pricing.abc.service.{DOMAIN}", "SRV", size=1232)
    targets = {str(each.target): each.port for record in said.answer for each in record}
    assert targets == {f"10-0-0-{n}.addr.{DOMAIN}.": 31000 for n in (1, 2, 3)}
    more = {str(record.name): str(record[0]) for record in said.additional}
    assert more == {name: name.partition(".")[0].replace("-", ".") for name in targets}
    assert texts(ask(f"10-0-0-2.addr.{DOMAIN}")) == ["5 10.0.0.2"]
    (six,) = ask(f"_http._tcp.six.abc.service.{DOMAIN}", "SRV", size=1232).additional
    assert six.rdtype == dns.rdatatype.AAAA


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode"),
    [
        ("pricing.abc.service", "AAAA", "NOERROR"),
        ("pricing.abc.service", "SRV", "NOERROR"),
        ("pricing.abc.service", "HTTPS", "NOERROR"),
        ("_tcp.pricing.abc.service", "SRV", "NOERROR"),
        ("abc.service", "A", "NOERROR"),
        ("service", "A", "NOERROR"),
        ("addr", "A", "NOERROR"),
        ("nobody.abc.service", "A", "NXDOMAIN"),
        ("_x._tcp.pricing.abc.service", "SRV", "NXDOMAIN"),
        ("10-0-0.addr", "A", "NXDOMAIN"),
        ("sick.abc.service", "A", "NXDOMAIN"),
        ("else", "A", "NXDOMAIN"),
    ],
)
def test_what_is_not_there_is_told_with_how_long_that_may_be_believed(name: str, rdtype: str, rcode: str) -> None:
    said = ask(f"{name}.{DOMAIN}", rdtype)
    assert dns.rcode.to_text(said.rcode()) == rcode
    assert said.answer == []
    (soa,) = said.authority
    assert (str(soa.name), soa.rdtype, soa.ttl, soa[0].minimum) == (f"{DOMAIN}.", dns.rdatatype.SOA, 5, 5)


def test_the_top_of_the_domain() -> None:
    assert str(ask(DOMAIN, "NS").answer[0][0]) == f"ns.{DOMAIN}."
    assert str(ask(DOMAIN, "SOA").answer[0][0]).startswith(f"ns.{DOMAIN}. hostmaster.{DOMAIN}. ")
    assert texts(ask(f"ns.{DOMAIN}")) == ["5 10.0.0.53"]
    assert texts(ask(f"ns.{DOMAIN}", "AAAA")) == ["5 fd00::53"]
    assert ask(DOMAIN).authority[0].rdtype == dns.rdatatype.SOA


def test_tasks_that_are_not_ready_have_names_of_their_own() -> None:
    assert texts(ask(f"sick.abc.all.{DOMAIN}")) == ["5 10.0.0.9"]
    query = dns.message.make_query(f"sick.abc.all.{DOMAIN}", "A").to_wire()
    assert FIXED.answer(query, is_udp=True) is Elsewhere.REFRESH


def test_names_of_mesos_dns() -> None:
    assert texts(ask("pricing-abc.marathon.mesos")) == ["5 10.0.0.1", "5 10.0.0.2", "5 10.0.0.3"]
    assert len(ask("pricing-abc.marathon.slave.mesos").answer[0]) == 3
    assert len(ask("_http._pricing-abc._tcp.marathon.mesos", "SRV", size=1232).answer[0]) == 3
    assert ask("slave.mesos").rcode() == dns.rcode.NOERROR
    assert ask("pricing-abc.other.mesos").rcode() == dns.rcode.NXDOMAIN
    assert str(ask("x.marathon.mesos").authority[0].name) == "mesos."


def test_each_answer_has_its_own_order() -> None:
    first = {str(ask(f"pricing.abc.service.{DOMAIN}").answer[0][0]) for _ in range(100)}
    assert first == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}


def test_500_records_and_clients_of_every_size() -> None:
    name = f"web.big.service.{DOMAIN}"
    whole = ask(name, udp=False)
    assert len(whole.answer[0]) == 500
    assert not whole.flags & dns.flags.TC
    for size, least in ((0, 25), (1232, 70), (4096, 250)):
        cut = ask(name, size=size)
        assert cut.flags & dns.flags.TC
        assert least <= len(cut.answer[0]) < 500
    assert len(ask(f"_http._tcp.{name}", "SRV", udp=False).answer[0]) == 500
    cut = ask(f"_http._tcp.{name}", "SRV", size=65535)
    assert cut.flags & dns.flags.TC
    assert len(cut.to_wire()) <= MOST_UDP_BYTES
    drawn = {str(each) for _ in range(100) for each in ask(name).answer[0]}
    assert len(drawn) > 450, "each has its turn"


def test_a_question_is_given_back_as_it_was_spelled() -> None:
    query = dns.message.make_query(f"pRiCiNg.ABC.Service.{DOMAIN}", "A").to_wire()
    for _ in range(2):
        said = FIXED.answer(query, is_udp=True)
        assert isinstance(said, bytes)
        assert said[12 : len(query)] == query[12:]
        assert len(dns.message.from_wire(said).answer[0]) == 3


def test_edns_is_answered_where_it_is_asked_for_and_only_there() -> None:
    name = f"pricing.abc.service.{DOMAIN}"
    assert ask(name).edns == -1
    with_options = dns.message.make_query(
        name, "A", options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"cookie12")]
    )
    for query in (dns.message.make_query(name, "A", use_edns=0, payload=100), with_options):
        said = FIXED.answer(query.to_wire(), is_udp=True)
        assert isinstance(said, bytes)
        assert (found := dns.message.from_wire(said)).edns == 0
        assert found.payload == OWN_UDP_BYTES
        assert len(found.answer[0]) == 3
    later = dns.message.make_query(name, "A", use_edns=0)
    later.use_edns(1)
    said = FIXED.answer(later.to_wire(), is_udp=True)
    assert isinstance(said, bytes)
    assert dns.message.from_wire(said).rcode() == dns.rcode.BADVERS


def test_changes_are_seen_in_the_next_answer() -> None:
    ready = Names(Reach.AGENT)
    ready.update(FEW)
    server = Answers(Zone(ZONE, ready, Names(Reach.AGENT)), random.Random(7), offers_recursion=False)
    server.knows = True
    name, other = f"pricing.abc.service.{DOMAIN}", f"web.big.service.{DOMAIN}"
    assert len(ask(name, server=server).answer[0]) == 3
    assert ask(other, server=server).rcode() == dns.rcode.NXDOMAIN
    for stack, service in ready.update({**MANY, **grouped(endpoint("abc/pricing", 1, address="10.0.0.2"))}):
        server.forget(stack, service)
    assert texts(ask(name, server=server)) == ["5 10.0.0.2"]
    assert ask(other, server=server).rcode() == dns.rcode.NOERROR


def test_before_anything_is_known_nothing_is_said_not_to_exist() -> None:
    blind = answers({})
    blind.knows = False
    assert ask(f"pricing.abc.service.{DOMAIN}", server=blind).rcode() == dns.rcode.SERVFAIL
    blind.knows = True
    assert ask(f"pricing.abc.service.{DOMAIN}", server=blind).rcode() == dns.rcode.NXDOMAIN


def test_who_asks_for_everything_gets_little() -> None:
    said = ask(f"web.big.service.{DOMAIN}", "ANY")
    assert [record.rdtype for record in said.answer] == [dns.rdatatype.HINFO]
    assert ask(DOMAIN, "AXFR", udp=False).rcode() == dns.rcode.REFUSED
    assert ask(DOMAIN, "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED


def test_other_names_are_for_others() -> None:
    for name in ("example.com", "internal", "xfw.internal", "."):
        assert FIXED.answer(dns.message.make_query(name, "A").to_wire(), is_udp=True) is Elsewhere.FORWARD


QUERY = dns.message.make_query(f"pricing.abc.service.{DOMAIN}", "A", use_edns=0, payload=1232, id=0x1234).to_wire()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", None),
        (QUERY[:11], None),
        (QUERY[:2] + b"\x80" + QUERY[3:], None),
        (QUERY[:20], "FORMERR"),
        (QUERY + b"x", "FORMERR"),
        (QUERY[:4] + b"\0\2" + QUERY[6:], "FORMERR"),
        (QUERY[:4] + b"\0\0" + QUERY[6:], "FORMERR"),
        (QUERY[:12] + b"\xc0\x0c" + QUERY[14:], "FORMERR"),
        (QUERY[:12] + b"\x40" + QUERY[13:], "FORMERR"),
        (QUERY[:2] + bytes([dns.opcode.NOTIFY << 3]) + QUERY[3:], "NOTIMP"),
        (QUERY[:2] + bytes([dns.opcode.UPDATE << 3]) + QUERY[3:], "NOTIMP"),
    ],
)
def test_what_is_no_query(data: bytes, said: str | None) -> None:
    answer = FIXED.answer(data, is_udp=True)
    if said is None:
        assert answer is Elsewhere.SILENCE
    else:
        assert isinstance(answer, bytes)
        assert answer[:2] == data[:2]
        assert dns.rcode.to_text(dns.rcode.from_flags(struct.unpack("!H", answer[2:4])[0], 0)) == said


def changed_bytes(query: bytes) -> some.SearchStrategy[bytes]:
    """The query with some of its bytes changed, cut off, or something after it."""
    changes = some.lists(some.tuples(some.integers(0, len(query) - 1), some.integers(0, 255)), max_size=6)

    def change(made: tuple[list[tuple[int, int]], int, bytes]) -> bytes:
        data = bytearray(query)
        for at, value in made[0]:
            data[at] = value
        return bytes(data[: made[1]]) + made[2]

    return some.tuples(changes, some.integers(0, len(query)) | some.just(len(query)), some.binary(max_size=8)).map(
        change
    )


@given(some.binary(max_size=600) | changed_bytes(QUERY) | some.binary(max_size=80).map(lambda tail: QUERY[:12] + tail))
@example(QUERY[:12] + b"\x05a\0b.c\0\0\1\0\1")
@settings(max_examples=1000)
def test_whatever_comes_is_answered_under_its_id_or_not_at_all(data: bytes) -> None:
    for is_udp in (True, False):
        said = FIXED.answer(data, is_udp=is_udp, may_refresh=False)
        if isinstance(said, Elsewhere):
            continue
        assert said[:2] == data[:2]
        assert said[2] & 0x80
        assert dns.message.from_wire(said).id == int.from_bytes(data[:2])
        assert not is_udp or len(said) <= MOST_UDP_BYTES
        assert isinstance(FIXED.failure(data, dns.rcode.SERVFAIL), bytes)
