"""Addresses of back ends and ensembles."""

from __future__ import annotations

import pytest

from specs.urls import parse_url


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("zk://a:2181,10.0.0.7:2182/framework", "zk://a:2181,10.0.0.7:2182/framework"),
        ("zk://a/one/two/", "zk://a:2181/one/two"),
        ("zk://[::1]:2181/f", "zk://[::1]:2181/f"),
        ("etcd://a,b:1/f", "etcd://a:2379,b:1/f"),
        ("consul://127.0.0.1", "consul://127.0.0.1:8500"),
        ("consul://a:1/", "consul://a:1"),
    ],
)
def test_what_is_left_out_is_as_usual(text: str, whole: str) -> None:
    found = parse_url(text, "zk", "etcd", "consul")
    assert str(found) == whole
    assert parse_url(whole, found.scheme) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "wanted zk://HOST:PORT,HOST:PORT/PATH or consul://HOST:PORT; got ''"),
        ("a:2181/f", "got 'a:2181/f'"),
        ("etcd://a/f", "got 'etcd://a/f'"),
        ("zk://a:2181", "got the path ''; name one, such as /framework"),
        ("zk://a:2181/", "got the path '/'"),
        ("zk://a/../f", "got the path '/../f'"),
        ("zk://a//f", "got the path '//f'"),
        ("zk://a:70000/f", "got the address 'a:70000'"),
        ("zk://,a/f", "got the address ''"),
        ("zk://user:secret@a/f", "a user and a password before '@' are not supported"),
        ("consul://a:1,b:1", "one agent without a path; got 'consul://a:1,b:1'"),
        ("consul://a:1/f", "one agent without a path"),
    ],
)
def test_what_is_none_is_told_of(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="wanted") as fault:
        parse_url(text, "zk", "consul")
    assert said in str(fault.value)
    assert "secret" not in str(fault.value)
