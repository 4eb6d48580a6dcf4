"""Theseus's driver refuses endpoints that it cannot write, before any request to etcd."""

from __future__ import annotations

import pytest

from discovery.backends.theseus.driver import EtcdDriver


def test_a_name_that_would_be_another_key_is_refused() -> None:
    driver = EtcdDriver("etcd://127.0.0.1:1/framework", "shop")
    for name in ("", "a/b", "/"):
        with pytest.raises(ValueError, match="wanted a name that is not empty"):
            EtcdDriver("etcd://127.0.0.1:1/framework", name)
        with pytest.raises(ValueError, match="service"):
            driver.create_service(name)
        with pytest.raises(ValueError, match="labels"):
            driver.remove_group("web", name)
        with pytest.raises(ValueError, match="container"):
            driver.register_container("web", "_", name, {})
