"""Makes the fixtures of the kit known to every test, and gives hypothesis the time that a busy machine needs."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    *("tests.kit.cluster", "tests.kit.origins", "tests.kit.stages"),
    *("tests.conformance.executor_kit", "tests.conformance.store_kit"),
]

# How long an example takes says how busy the machine is: time is measured in tests/bench.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
