"""Failures that trying again does not mend: the words for them, which executors say and schedulers store."""

from __future__ import annotations

from enum import StrEnum


class Permanent(StrEnum):
    """Why a task could not be started, where the same try would fail again."""

    IMAGE_NOT_FOUND = "image-not-found"
    """Its registry has no such image, tag or digest."""
    IMAGE_DENIED = "image-denied"
    """Its registry gives the image only to those who may have it, or has none: some do not tell which."""
    IMAGE_ABSENT = "image-absent"
    """The agent has not got the image, and shall not pull it."""
    BAD_IMAGE_NAME = "bad-image-name"
    WRONG_PLATFORM = "wrong-platform"
    """The image, or the program, is for other machines than the agent."""
    BAD_COMMAND = "bad-command"
    """There is no such program, or it may not be run."""
    BAD_MOUNT = "bad-mount"
    """The source of a mount is not there, or cannot be mounted at its target."""
    BAD_USER = "bad-user"
    BAD_SETTINGS = "bad-settings"
    """The engine, the kernel or the executor does not take the settings."""
    REFUSED_HERE = "refused-here"
    """The agent's engine or its runtime refuses the container; another agent's may not."""


_OF_AGENT = frozenset({Permanent.IMAGE_ABSENT, Permanent.WRONG_PLATFORM, Permanent.BAD_MOUNT, Permanent.REFUSED_HERE})


def is_of_agent(word: str) -> bool:
    """Whether it may be otherwise on another agent. A word that is not known here, of a newer executor, is not so."""
    return word in _OF_AGENT
