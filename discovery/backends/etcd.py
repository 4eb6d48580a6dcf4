"""Endpoints in etcd, in Theseus's layout: keys with a lease, which lapses when nobody keeps it alive."""

from __future__ import annotations

import base64
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from discovery.backends.etcd_client import Client, encoded, pair
from discovery.backends.publisher import LAPSE_SECONDS, Away, BackendRefused, Publisher
from discovery.backends.theseus.layout import info_json, info_of
from discovery.endpoints import Endpoint, is_newer
from discovery.executor_addresses import Announcement, announcement_json, announcement_path
from specs.ids import TaskId
from specs.urls import Url

MOST_TRIES = 10

log = logging.getLogger("discovery.backends.etcd")


class Etcd(Publisher):
    """A discovery.backends.registry.Registry below the root of `url`. What was left by `hand_over` lapses with its
    lease."""

    def __init__(self, url: Url, lease_seconds: float = LAPSE_SECONDS) -> None:
        super().__init__(Keys(url, lease_seconds))


class Keys:
    """A discovery.backends.publisher.RegistryBackend: all keys of a publisher have one lease."""

    def __init__(self, url: Url, lease_seconds: float) -> None:
        self.name = f"etcd at {url}"
        self.renew_seconds = lease_seconds / 3
        self._url = url
        self._lease_seconds = round(lease_seconds)
        self._lease = 0
        self._announced = ""
        self._client = Client(url)

    def renew(self) -> bool:
        if self._lease and self._client.keep_alive(self._lease):
            return False
        # The keys of the lease before went with it.
        self._lease = self._client.grant(self._lease_seconds)
        return True

    def put(self, endpoint: Endpoint, replaces: Sequence[TaskId]) -> None:
        key, value = info_of(self._url.root, endpoint.group, endpoint.task_id), info_json(endpoint)
        before = [info_of(self._url.root, endpoint.group, id) for id in replaces if id != endpoint.task_id]
        gone = [{"request_delete_range": {"key": encoded(each)}} for each in before]
        content = {"key": encoded(key), "value": base64.b64encode(value).decode(), "lease": str(self._lease)}
        write, look = {"request_put": content}, {"request_range": {"key": encoded(key)}}
        compare: dict[str, Any] = {"key": encoded(key), "target": "VERSION", "result": "EQUAL", "version": "0"}
        for _ in range(MOST_TRIES):
            is_done, answers = self._client.transact(compare, [write, *gone], [look])
            if is_done:
                return
            found = answers[0]["response_range"].get("kvs", [])
            if not found:
                compare = {"key": encoded(key), "target": "VERSION", "result": "EQUAL", "version": "0"}
                continue
            there = pair(found[0])
            if there.lease != self._lease and is_newer(there.value, endpoint.since):
                log.warning("endpoint %s: another executor has published a newer one, which stays", key)
                return
            compare = {"key": encoded(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(there.revision)}
        raise Away(f"{key} changes all the time")

    def announce(self, announcement: Announcement) -> None:
        self._announced = f"{self._url.root}{announcement_path(announcement)}"
        self._client.put(self._announced, announcement_json(announcement), self._lease)

    def remove(self, endpoint: Endpoint) -> None:
        self._remove(self._client, info_of(self._url.root, endpoint.group, endpoint.task_id))

    def stop(self, takes_back: bool) -> None:
        # By a connection of its own: the publisher's thread may be in the middle of a call.
        client = Client(self._url)
        with contextlib.suppress(Away, BackendRefused):
            if takes_back and self._lease:
                client.revoke(self._lease)
            elif self._announced:
                self._remove(client, self._announced)

    def _remove(self, client: Client, key: str) -> None:
        """Has nothing be at the key, if what is there has this publisher's lease."""
        compare = {"key": encoded(key), "target": "LEASE", "result": "EQUAL", "lease": str(self._lease)}
        client.transact(compare, [{"request_delete_range": {"key": encoded(key)}}])
