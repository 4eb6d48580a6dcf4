"""Templates become texts with the addresses of others in them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from discovery.endpoints import EndpointPort
from discovery.templates.confined_render import answer
from discovery.templates.render import Renderer, RenderFault
from discovery.templates.render_requests import MAX_TEXT, Own, text_request
from specs.ids import group_id
from specs.messages import MAX_MESSAGE_LENGTH
from tests.kit.template_endpoints import endpoint, groups

ALL = groups(
    endpoint("shop/auth", 1, "prod"),
    endpoint("shop/auth", 2, "prod"),
    endpoint("shop/auth", 3, "dev"),
    endpoint("shop/udp", 4, ports=(EndpointPort(name="", number=31009, container_port=53, protocol="udp"),)),
    endpoint("other/redis", 5, ports=()),
    endpoint("other/redis", 6),
)
OWN = Own(group=group_id("shop", "web", ["prod", "eu"]), slot=7, environment={"LOG": "debug"})


def text(template: str, own: Own = OWN) -> str:
    return Renderer().text(template, own, ALL)


@pytest.mark.parametrize(
    ("template", "becomes"),
    [
        ("plain\n", "plain\n"),
        ("{{ endpoints('auth') }}", "10.0.0.1:31000,10.0.0.2:31000"),
        ("{{ endpoints('auth', 'admin') }}", "10.0.0.1:31001,10.0.0.2:31001"),
        ("{{ endpoints('auth', 81) }}", "10.0.0.1:31001,10.0.0.2:31001"),
        ("{{ endpoints('auth', labels='dev') }}", "10.0.0.3:31000"),
        ("{{ endpoints('auth', labels=[]) }}", "10.0.0.3:31000,10.0.0.1:31000,10.0.0.2:31000"),
        ("{{ endpoints('udp') }} {{ endpoints('udp', 53)[0].port }}", "10.0.0.4:31009 31009"),
        ("{{ endpoints('other/redis') }}", "10.0.0.6:31000"),
        ("{{ endpoints('nobody') }}|{{ endpoints('auth', 'nothing') }}", "|"),
        ("{% for each in endpoints('auth') %}{{ each.slot }}@{{ each.hostname }} {% endfor %}", "1@agent1 2@agent2 "),
        ("{{ endpoints('auth') | map(attribute='container_address') | join(' ') }}", "172.17.0.1 172.17.0.2"),
        ("{{ leader('auth') }} {{ leader('nobody') or 'none' }}", "10.0.0.1:31000 none"),
        ("{{ stack }} {{ service }} {{ slot }} {{ labels | join('-') }} {{ env.LOG }}", "shop web 7 eu-prod debug"),
    ],
)
def test_what_a_template_becomes(template: str, becomes: str) -> None:
    assert text(template) == becomes


def test_a_container_on_a_bridge_finds_others_by_their_own_addresses_where_agents_are_at_loopback_addresses() -> None:
    local = groups(*(replace(endpoint("shop/auth", slot), address=f"127.0.1.{slot}") for slot in (1, 2)))
    template = "{{ endpoints('auth') }} {{ leader('auth', 'admin') }}"
    bridged = replace(OWN, is_bridged=True)
    assert Renderer().text(template, bridged, local) == "172.17.0.1:80,172.17.0.2:80 172.17.0.1:81"
    assert Renderer().text(template, OWN, local) == "127.0.1.1:31000,127.0.1.2:31000 127.0.1.1:31001"
    assert text("{{ endpoints('auth') }}", bridged) == text("{{ endpoints('auth') }}")


def test_without_own_labels_that_fit_all_groups_are_meant() -> None:
    own = Own(group=group_id("shop", "web", ["test"]), slot=0, environment={})
    assert text("{{ endpoints('auth') | length }}", own) == "3"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ endpoint('auth') }}", "'endpoint' is undefined"),
        ("{{ endpoints('nobody')[0].port }}", r"^there is no endpoint \[0\]: 0 ready; "),
        ("{{ endpoints('auth')[0].prt }}", "^an endpoint has no prt; it has address, port, hostname"),
        ("{{ leader('nobody').port }}", "^none has no port: leader"),
        ("{{ adress }}", "^'adress' is undefined$"),
        ("{{ env.NOTHING }}", "has no attribute 'NOTHING'"),
        ("a\n{% if %}", "line 2: "),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ endpoints() }}", "missing 1 required positional argument"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        (f"{{{{ 'x' * {MAX_TEXT + 1} }}}}", "wanted at most 1,048,576 characters"),
    ],
)
def test_what_does_not_become_a_text(template: str, words: str) -> None:
    with pytest.raises(RenderFault, match=words.replace("(", r"\(")):
        text(template)


@pytest.mark.parametrize("half", ["a\n{{ '\\ud800' }}", "a\n{{ '%c' % 56320 }}"])
def test_half_a_character_is_no_text(half: str) -> None:
    with pytest.raises(RenderFault, match=r"U\+D[8C]00 in line 2 of what it becomes is no character"):
        text(half)
    pair = answer(text_request(r"{{ '\ud83d\ude00' }}", OWN))
    assert json.loads(json.dumps(pair))["text"] == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        (r"{{ endpoints(**{'\ud800\n\x1b[2J': 1}) }}", "unexpected keyword argument '   [2J'"),
        ("{{ {}['x' * 2000000].a }}", "xxx'"),
    ],
)
def test_a_fault_is_told_as_one_line_of_plain_text(template: str, ends: str) -> None:
    fault = answer(text_request(template, OWN))["fault"]
    assert fault.isprintable()
    assert fault.endswith(ends)
    assert len(fault) <= MAX_MESSAGE_LENGTH
