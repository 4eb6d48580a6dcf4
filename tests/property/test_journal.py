"""The journal of every history replays to the same commands."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from framework.recorder import replay
from tests.kit.conversation import Conversation
from tests.kit.random_history import RACKS, World
from tests.kit.recorded import Recorded


class RecordedWorld(World):
    """A world in which each scheduler writes a journal."""

    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.journals: list[Path] = []
        super().__init__()

    def a_scheduler(self) -> Conversation:
        path = Path(self.directory.name) / f"journal{len(self.journals)}"
        self.journals.append(path)
        talk = Recorded(path, self.shelf)
        talk.attributes = {number: {"rack": rack} for number, rack in RACKS.items()}
        return talk

    def check_peace(self) -> None:
        """The other property is looked at elsewhere."""

    def teardown(self) -> None:
        super().teardown()
        for journal in self.journals:
            assert all(step.is_same and not step.bug for step in replay(journal))
        self.directory.cleanup()


def test_every_history_replays_to_the_same_commands() -> None:
    run_state_machine_as_test(
        RecordedWorld,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
