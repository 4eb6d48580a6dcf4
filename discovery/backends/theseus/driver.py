"""Theseus's driver: the seventeen methods by which its clients use etcd, over the tree of one stack.

It differs from the original on purpose: nothing is removed in order to be created; a missing key raises KeyError and
not an error of a library; values are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from discovery.backends.etcd_client import Client
from discovery.backends.theseus.layout import services_of
from discovery.endpoints import encoded_labels
from specs.foreign_json import parse_json
from specs.urls import parse_url


class EtcdDriver:
    """The tree below `/STACK/services` of `etcd://HOST:PORT,…/PATH`. For one thread.

    `encoded_labels` are a group's labels as they stand in paths; `encode_labels` makes them. Executors write below
    `containers`; an entry written by hand stays until it is removed by hand. The constructor raises ValueError for a
    bad address. Every method raises ValueError for a name that cannot stand in a key (an empty one, or one with `/`),
    and discovery.backends.publisher.Away if no member of etcd answers.
    """

    def __init__(self, url: str, stack: str) -> None:
        parsed = parse_url(url, "etcd")
        self._root = services_of(parsed.root, _part("stack", stack))
        self._client = Client(parsed)

    @staticmethod
    def encode_labels(labels: Sequence[str]) -> str:
        """`dev,frontend` for these two in any order, `_` for none."""
        return encoded_labels(labels)

    # ---- services -------------------------------------------------------------------

    def create_service(self, service_name: str) -> None:
        """Creates the service, without groups, unless it is there."""
        self._client.put(self._service(service_name), b"")

    def remove_service(self, service_name: str) -> None:
        """Removes the service and all its groups."""
        self._remove(self._service(service_name))

    def service_exists(self, service_name: str) -> bool:
        """Whether the service was created, or has a group."""
        return self._exists(self._service(service_name))

    def get_service_names(self) -> list[str]:
        """The services, in the order of the alphabet."""
        return self._names(self._root)

    def get_service_groups(self, service_name: str) -> list[str]:
        """The encoded labels of its groups, in the order of the alphabet."""
        return self._names(self._service(service_name))

    def get_service_containers(self, service_name: str) -> list[str]:
        """The names of the containers of all its groups."""
        groups = self.get_service_groups(service_name)
        return [name for group in groups for name in self.get_group_container_names(service_name, group)]

    # ---- groups ---------------------------------------------------------------------

    def create_group(self, service_name: str, encoded_labels: str, config: Any = None) -> None:
        """Creates the group with this configuration."""
        self.create_service(service_name)
        self.set_group_config(service_name, encoded_labels, config)

    def remove_group(self, service_name: str, encoded_labels: str) -> None:
        """Removes the group and all its containers."""
        self._remove(self._group(service_name, encoded_labels))

    def group_exists(self, service_name: str, encoded_labels: str) -> bool:
        """Whether the group has a configuration, or a container."""
        return self._exists(self._group(service_name, encoded_labels))

    def get_group_config(self, service_name: str, encoded_labels: str) -> Any:
        """The group's configuration. Raises KeyError without one."""
        return self._read(f"{self._group(service_name, encoded_labels)}/config")

    def set_group_config(self, service_name: str, encoded_labels: str, config: Any) -> None:
        """Sets the group's configuration: anything that JSON can hold."""
        self._write(f"{self._group(service_name, encoded_labels)}/config", config)

    def get_group_container_names(self, service_name: str, encoded_labels: str) -> list[str]:
        """The names of its containers, sorted; none without such a group."""
        return self._names(f"{self._group(service_name, encoded_labels)}/containers")

    # ---- containers -----------------------------------------------------------------

    def container_exists(self, service_name: str, encoded_labels: str, container_name: str) -> bool:
        """Whether the container is registered."""
        return self._exists(self._container(service_name, encoded_labels, container_name))

    def get_container_info(self, service_name: str, encoded_labels: str, container_name: str) -> dict[str, Any]:
        """`instance_name`, `instance_host`, `instance_port`, `port_mappings`, and the other fields of an endpoint.

        Raises KeyError if there is no such container.
        """
        found = self._read(f"{self._container(service_name, encoded_labels, container_name)}/info")
        return dict(found)

    def set_container_info(
        self, service_name: str, encoded_labels: str, container_name: str, info: dict[str, Any]
    ) -> None:
        """Sets the information about the container."""
        self._write(f"{self._container(service_name, encoded_labels, container_name)}/info", info)

    def register_container(
        self, service_name: str, encoded_labels: str, container_name: str, info: dict[str, Any]
    ) -> None:
        """Creates the container, and its group and service unless they are there."""
        container = self._container(service_name, encoded_labels, container_name)
        if not self.group_exists(service_name, encoded_labels):
            self.create_group(service_name, encoded_labels)
        self._write(f"{container}/info", info)

    def deregister_container(self, service_name: str, encoded_labels: str, container_name: str) -> None:
        """Removes the container."""
        self._remove(self._container(service_name, encoded_labels, container_name))

    # ---- keys -----------------------------------------------------------------------

    def _service(self, service_name: str) -> str:
        return f"{self._root}/{_part('service', service_name)}"

    def _group(self, service_name: str, labels: str) -> str:
        return f"{self._service(service_name)}/{_part('encoded labels', labels)}"

    def _container(self, service_name: str, labels: str, container_name: str) -> str:
        return f"{self._group(service_name, labels)}/containers/{_part('container', container_name)}"

    def _exists(self, path: str) -> bool:
        return self._client.get(path) is not None or bool(self._client.below(f"{path}/", is_keys_only=True))

    def _names(self, path: str) -> list[str]:
        """The names directly below the path: the children of a directory in etcd 2."""
        start = len(path) + 1
        keys = (each.key for each in self._client.below(f"{path}/", is_keys_only=True))
        return list(dict.fromkeys(key[start:].partition("/")[0] for key in keys))

    def _remove(self, path: str) -> None:
        self._client.delete(path)
        self._client.delete_below(f"{path}/")

    def _read(self, key: str) -> Any:
        found = self._client.get(key)
        if found is None:
            raise KeyError(key)
        return parse_json(found.value)

    def _write(self, key: str, value: Any) -> None:
        self._client.put(key, json.dumps(value).encode())


def _part(what: str, name: str) -> str:
    """The name, as one part of a key."""
    if not name or "/" in name:
        raise ValueError(f"{what}: wanted a name that is not empty and has no `/`; got {name!r}")
    return name
