"""Problems on the way to a master, a sentence each: what was tried, what came of it, what to check. Pure."""

from __future__ import annotations


def _say(address: str, what: str, check: str) -> str:
    return f"the Mesos master at {address} {what}; {check}; trying on"


def unresolved(address: str, error: Exception) -> str:
    """The name is in no directory."""
    detail = getattr(error, "strerror", None) or str(error)
    return _say(address, f"cannot be found: {detail}", "check --master for host:port, and the name in DNS")


def unconnected(address: str, error: OSError) -> str:
    """Nobody listens there, or somebody refuses."""
    return _say(
        address, f"takes no connection: {error.strerror or error}", "check that it runs there, and the firewall"
    )


def unreachable(address: str, seconds: float) -> str:
    """Nothing answers the attempt to connect."""
    return _say(address, f"did not take the connection within {seconds:g} s", "check the network between it and here")


def broken(address: str, error: OSError) -> str:
    """The connection broke."""
    return _say(address, f"lost the connection: {error.strerror or error}", "check that it still runs")


def closed(address: str) -> str:
    """The master ended the connection."""
    return _say(address, "closed the connection", "it may have ended, or lead no more: see its log")


def ended(address: str) -> str:
    """ERROR came; what Mesos said is told beside it."""
    return f"the Mesos master at {address} refused the framework"


def silent(address: str, seconds: float) -> str:
    """Heartbeats are missing, or the subscription is not answered."""
    return _say(
        address, f"said nothing for {seconds:g} s", "check whether it hangs, and the network between it and here"
    )


def unanswered(address: str, seconds: float) -> str:
    """A call waits for its answer."""
    return _say(address, f"did not answer a call for {seconds:g} s", "check whether it is overloaded")


def overfull(address: str, most: int) -> str:
    """The queue of calls is full."""
    return _say(address, f"is too slow: {most} calls wait to be sent, no more can", "check whether it is overloaded")


def strange(address: str, what: str) -> str:
    """The sentence for an answer that is not HTTP, or no stream of events."""
    return _say(address, f"does not speak as a Mesos master: {what}", "check that --master names a Mesos master's port")


def refused(address: str, status: int, location: str, text: str) -> tuple[str, str]:
    """The sentence for an answer other than 200 to SUBSCRIBE, and the master that it names instead, "" where none."""
    said = f" ({_short(text)})" if text else ""
    if status == 307:
        leader = location.partition("//")[2].partition("/")[0]
        if leader == address:
            what = "sends us to itself: it does not lead yet"
            return _say(address, what, "it was restarted a moment ago, or sees no ZooKeeper: see its log"), ""
        if not leader:
            return _say(address, "does not lead and knows no leader", "check that a majority of the masters runs"), ""
        return f"the Mesos master at {address} does not lead and names {leader}; trying there", leader
    if status == 503:
        what = f"is not available{said}"
        return _say(address, what, "check that a majority of the masters and ZooKeeper run"), ""
    if status == 401:
        what = "refuses our principal and secret (401 Unauthorized)"
        check = "check --principal and --secret-file against the master's --credentials"
        return _say(address, what, check), ""
    if status == 403:
        what = f"forbids the subscription{said}"
        return _say(address, what, "check --role and --principal against the master's ACLs and --roles"), ""
    if status == 404:
        return _say(address, "has no scheduler API (404)", "check that --master names a Mesos master's port"), ""
    what = f"answered {status} to the subscription{said}"
    return _say(address, what, "check the framework's name, role, principal and user"), ""


def call_refused(address: str, call: str, status: int, text: str) -> str:
    """A call was answered with a status that is none of success."""
    return f"the Mesos master at {address} refused {call}: {status}{f' {_short(text)}' if text else ''}"


def changed(before: str, after: str) -> str:
    """ZooKeeper names another leader."""
    return f"the leading Mesos master changed from {before} to {after}; subscribing there"


def agents_untold(address: str, what: str) -> str:
    """The operator API gave no list of agents."""
    return _agents(address, what, "check that it runs, and the network between it and here")


def agents_strange(address: str, error: Exception) -> str:
    """The answer is not what Mesos writes."""
    what = f"the answer cannot be read ({_short(repr(error), 100)})"
    return _agents(address, what, "check that --master names a Mesos master's port, with no proxy before it")


def agents_silent(address: str, seconds: float) -> str:
    """The operator API does not answer in time."""
    return _agents(address, f"nothing came for {seconds:g} s", "check whether it is overloaded")


def agents_refused(address: str, status: int, text: str) -> str:
    """An answer other than 200 to a question of the operator API."""
    said = f"{status}{f' ({_short(text)})' if text.strip() else ''}"
    if status == 401:
        check = "give --principal and --secret-file as its --credentials have them, or let everybody read"
        return _agents(address, f"it refuses our principal and secret ({said})", check)
    if status == 403:
        return _agents(
            address, f"it forbids them to us ({said})", "let the principal view agents and roles in its ACLs"
        )
    if status in (307, 503):
        return _agents(address, f"it does not lead ({said})", "it will be asked again when a master takes our calls")
    return _agents(address, f"it answered {said}", "check that it is Mesos 1.4 or newer")


def _agents(address: str, what: str, check: str) -> str:
    consequence = "until then only offers tell of agents"
    return f"the Mesos master at {address} does not tell its agents: {what}; {check}; {consequence}; trying on"


def unsent(problem: str) -> str:
    """Why a call never left."""
    return f"not sent, as no Mesos master takes calls: {problem or 'not subscribed yet'}"


def _short(text: str, most: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[:most] + "…"
