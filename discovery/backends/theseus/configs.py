"""The settings of each group, in etcd at Theseus's place for them: for people and programs that read them.

The leader writes them. Each names its framework; a configuration that people have written stays.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from discovery.backends.etcd_client import Client
from discovery.backends.publisher import Away, BackendRefused
from discovery.backends.theseus.layout import config_of, is_config
from specs.foreign_json import parse_json
from specs.ids import FrameworkId, GroupId
from specs.urls import Url

log = logging.getLogger("discovery.backends.theseus.configs")


class Configs:
    """The configurations below the root of one etcd. For one thread."""

    def __init__(self, url: Url) -> None:
        self._url = url
        self._client = Client(url)
        self._written: dict[str, bytes] = {}
        self._problem = ""

    def keep(self, configs: Mapping[GroupId, Mapping[str, Any]], framework: FrameworkId) -> bool:
        """Makes these the configurations of this framework; whether that was done.

        Logs the reason once if not.
        """
        wanted = {config_of(self._url.root, group): _text(config, framework) for group, config in configs.items()}
        try:
            keys = [each.key for each in self._client.below(f"{self._url.root}/", is_keys_only=True)]
            there = dict.fromkeys(key for key in keys if is_config(key))
            for key, text in wanted.items():
                is_as_written = key in there and self._written.get(key) == text
                if not is_as_written and self._is_ours(key, framework):
                    self._client.put(key, text)
                self._written[key] = text
            for key in there:
                if key not in wanted and self._is_ours(key, framework):
                    self._client.delete(key)
        except (Away, BackendRefused) as why:
            if str(why) != self._problem:
                self._problem = str(why)
                log.warning("what groups are deployed with cannot be written to %s: %s. Trying on", self._url, why)
            return False
        self._written = {key: text for key, text in self._written.items() if key in wanted}
        self._problem = ""
        return True

    def _is_ours(self, key: str, framework: FrameworkId) -> bool:
        """Whether nothing is there, or what this framework wrote."""
        found = self._client.get(key)
        if found is None:
            return True
        try:
            plain = parse_json(found.value)
        except ValueError:
            return False
        return isinstance(plain, dict) and plain.get("framework") == framework


def _text(config: Mapping[str, Any], framework: FrameworkId) -> bytes:
    return json.dumps({"framework": framework} | dict(config), separators=(",", ":")).encode()
