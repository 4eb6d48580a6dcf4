"""Keys that are refused: those of compose without a meaning here, and those whose feature does not exist yet.

Each sentence says what is refused, why, and what to do instead.
"""

from __future__ import annotations


def _later(key: str, what_holds: str) -> str:
    return f"{key} is not supported yet: {what_holds}; leave it out"


def _never(key: str, why: str) -> str:
    return f"{key} is refused: {why}"


_CPU_TIME = "cpu time is given by resources: {cpus: 0.5}; leave it out"
_MEMORY = "memory is given by resources: {memory: 256M}, and swap is not used; leave it out"
_LOGS = "logs go to files in the task's sandbox, see framework logs; leave it out"
_NAMESPACE = "it would share what keeps tasks of one agent apart; leave it out"
_SECRETS = "there is no store of secrets; give values by environment, from variables"
_CONFIGS = "put files into the image, write them under templates, or give values by environment"

SERVICE_REFUSED: dict[str, str] = {
    "placement": _never("placement", "write constraints, spread, near, apart and prefer in the service itself"),
    "drain": _never("drain", "write stop: {drain: 5s, grace: 20s}"),
    "secrets": _later("secrets", _SECRETS),
    "configs": _later("configs", _CONFIGS),
    "networks": _later("networks", "containers are on the bridge and reach one another over their agents' host ports"),
    "profiles": _later("profiles", "every service of the file is submitted; put others into a file of their own"),
    "extends": _later("extends", "share settings within the file by an anchor and <<, or by an override file with -o"),
    "env_file": _later("env_file", "write the variables under environment, or share them by an anchor and <<"),
    "label_file": _later("label_file", "write the labels under labels"),
    "gpus": _never("gpus", "they are counted, not named: write resources: {gpus: 1}"),
    "build": _never("build", "images are not built here: build and push it, and name it with image"),
    "dockerfile": _never("dockerfile", "images are not built here: build and push it, and name it with image"),
    "container_name": _never("container_name", "each task's container is called by its task id; leave it out"),
    "volumes_from": _never("volumes_from", "tasks may run on different agents; name the volume in both services"),
    "external_links": _never("external_links", "stacks do not see one another; put the address into environment"),
    "annotations": _never("annotations", "Docker's annotations are not set; use labels, or metadata"),
    "blkio_config": _never("blkio_config", "disk traffic is not limited; leave it out"),
    "cgroup": _never("cgroup", _NAMESPACE),
    "cgroup_parent": _never("cgroup_parent", "the cgroup is the executor's affair; leave it out"),
    "cpu_count": _never("cpu_count", _CPU_TIME),
    "cpu_percent": _never("cpu_percent", _CPU_TIME),
    "cpu_shares": _never("cpu_shares", _CPU_TIME),
    "cpu_period": _never("cpu_period", _CPU_TIME),
    "cpu_quota": _never("cpu_quota", _CPU_TIME),
    "cpu_rt_runtime": _never("cpu_rt_runtime", _CPU_TIME),
    "cpu_rt_period": _never("cpu_rt_period", _CPU_TIME),
    "cpuset": _never("cpuset", "agents differ in their processors; write resources: {cpus: 2}"),
    "credential_spec": _never("credential_spec", "it is for Windows; agents run Linux. Leave it out"),
    "device_cgroup_rules": _never("device_cgroup_rules", "name the devices under devices"),
    "domainname": _never("domainname", "write the whole name under hostname"),
    "ipc": _never("ipc", _NAMESPACE),
    "isolation": _never("isolation", "it is for Windows; agents run Linux. Leave it out"),
    "logging": _never("logging", _LOGS),
    "log_driver": _never("log_driver", _LOGS),
    "log_opt": _never("log_opt", _LOGS),
    "mac_address": _never("mac_address", "several containers of a service cannot share one; leave it out"),
    "mem_swappiness": _never("mem_swappiness", _MEMORY),
    "memswap_limit": _never("memswap_limit", _MEMORY),
    "models": _never("models", "run the model as a service, and link it"),
    "oom_kill_disable": _never("oom_kill_disable", "a task must not take memory from others; raise resources.memory"),
    "oom_score_adj": _never("oom_score_adj", "a task must not outlive others at their cost; leave it out"),
    "pid": _never("pid", _NAMESPACE),
    "platform": _never("platform", "agents run images of their own platform; leave it out"),
    "provider": _never("provider", "nothing outside is started here; leave the service out"),
    "pull_refresh_after": _never("pull_refresh_after", "an image is pulled when a task starts: pull: always"),
    "runtime": _never("runtime", "containers run by the engine's default runtime; leave it out"),
    "stdin_open": _never("stdin_open", "nobody is at a task's input; leave it out"),
    "storage_opt": _never("storage_opt", "write resources: {disk: 1G}"),
    "use_api_socket": _never("use_api_socket", "mount the socket by volumes, if the task must have it"),
    "userns_mode": _never("userns_mode", _NAMESPACE),
    "uts": _never("uts", _NAMESPACE),
    "volume_driver": _never("volume_driver", "volumes are made by the agent's own driver; leave it out"),
}

DEPLOY_REFUSED: dict[str, str] = {
    "endpoint_mode": _later("endpoint_mode", "there are no virtual addresses; services are reached at host ports"),
}

LIMITS_REFUSED: dict[str, str] = {}
RESERVATIONS_REFUSED: dict[str, str] = {
    "devices": _never("devices", "graphics processors are counted: write resources: {gpus: 1}"),
}

TOP_REFUSED: dict[str, str] = {
    "networks": _later("networks", "containers are on the bridge and reach one another over their agents' host ports"),
    "secrets": _later("secrets", _SECRETS),
    "configs": _later("configs", _CONFIGS),
    "include": _later("include", "lay files over one another with -o"),
    "models": _never("models", "run the model as a service, and link it"),
}
