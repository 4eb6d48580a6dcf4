"""The messages about a machine that lacks something."""

import os

import pytest

from framework.local import requirements
from framework.local.errors import LocalError
from framework.local.packages import parse_needs
from framework.local.requirements import Requirement


def lacking(name: str, *packages: str) -> Requirement:
    return Requirement(name=name, reason="reasons", packages=packages, is_there=lambda: False)


THERE = Requirement(name="air", reason="breathing", packages=(), is_there=lambda: True)


def test_nothing_missing_is_silent() -> None:
    requirements.check((THERE,))


def test_each_missing_thing_has_its_line_and_one_line_mends_all() -> None:
    with pytest.raises(LocalError) as refused:
        requirements.check((lacking("java", "jre"), THERE, lacking("g++", "g++")))
    sudo = "" if os.geteuid() == 0 else "sudo "
    assert str(refused.value).splitlines() == [
        "java is missing: reasons",
        "g++ is missing: reasons",
        f"{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends g++ jre",
    ]


def test_a_user_who_is_not_root_is_given_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    expected = "sudo apt-get update && sudo apt-get install -y --no-install-recommends jre"
    assert requirements.remedy([lacking("java", "jre")]) == expected


def test_what_no_package_brings_is_said_to_need_another_machine() -> None:
    assert requirements.remedy([lacking("Linux")]) == "This cannot be installed: use another machine"


def test_depends_fields_are_read() -> None:
    fields = "Pre-Depends: init-system-helpers (>= 1.54~)\nDepends: libc6 (>= 2.34), lua5.1 | lua, libssl3:any\n"
    assert parse_needs(fields) == ["init-system-helpers", "libc6", "lua5.1", "libssl3"]
