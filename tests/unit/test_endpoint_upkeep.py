"""The living tasks and the settings of groups, as the leader gives them to the back ends."""

from __future__ import annotations

from dataclasses import replace

from framework.core.model import Mismatch
from framework.core.views import ApprovalRequest
from framework.core.volatile import Connection
from framework.endpoint_upkeep import living, settings_of
from specs.ids import group_id
from specs.model.stack import Container, Hook, Template
from specs.states import TaskState
from tests.kit.front import FRAMEWORK, a_group, a_stack, a_task, a_view

WEB = group_id("shop", "web")
VIEW = a_view(
    [
        a_stack(
            "shop",
            [
                a_group(
                    WEB,
                    tasks=[a_task(WEB, 0, 1), a_task(WEB, 1, 2, state=TaskState.UNREACHABLE)],
                    ended=[a_task(WEB, 0, 0, state=TaskState.FAILED)],
                )
            ],
        )
    ]
)


def test_whoever_has_not_ended_may_have_an_endpoint() -> None:
    found = living(VIEW)
    assert found is not None
    assert found.framework == FRAMEWORK
    assert sorted(found.tasks) == ["shop.web.0.1", "shop.web.1.2"]


def test_nothing_is_said_before_all_is_known() -> None:
    question = ApprovalRequest(mismatch=Mismatch.UNKNOWN_TASKS, number=11, tasks=(), sentence="", effect="")
    assert living(a_view(connection=Connection.LOADING)) is None
    assert living(replace(VIEW, connection=Connection.CONNECTING)) is None
    assert living(replace(VIEW, approval_requests=(question,))) is None


def test_of_variables_and_templates_only_the_names_are_told() -> None:
    hook = Hook(command=("hello",), environment=(("TOKEN", "s3cret"),))
    template = Template(target="/etc/web.conf", content="token: s3cret")
    variables = (("PASSWORD", "s3cret"),)
    container = Container(image="acme/web:1", environment=variables, post_start=(hook,), templates=(template,))
    told = settings_of(a_group(WEB, instances=3, container=container))
    assert (told["instances"], told["container"]["image"]) == (3, "acme/web:1")
    assert told["container"]["environment"] == ["PASSWORD"]
    assert "TOKEN" in str(told) and "/etc/web.conf" in str(told)
    assert "s3cret" not in str(told)
