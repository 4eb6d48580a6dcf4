"""Makes the fixtures of the kit known to every test."""

pytest_plugins = ["tests.kit.cluster", "tests.kit.stages", "tests.conformance.executor_kit"]
