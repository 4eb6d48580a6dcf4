"""Prometheus's text format: what is written is read by Prometheus's own library, and what tasks write by ours."""

from __future__ import annotations

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from executor.metrics.exposition import Page, labels_text, number, parse, plain_values
from executor.metrics.histogram import Histogram as Delays

OWN = {"stack": "shop", "task": "shop.web.1.1"}


def registry() -> CollectorRegistry:
    """An application's metrics, of every kind."""
    found = CollectorRegistry()
    requests = Counter("requests", "Requests; a \\ and a\nnewline.", ["path", "task"], registry=found)
    requests.labels("/", "a").inc(3)
    requests.labels('/"x"\n', "b").inc(4)
    Gauge("in_flight", "Requests in flight", registry=found).set(2.5)
    Histogram("seconds", "Durations", buckets=(0.1, 1), registry=found).observe(0.5)
    Summary("bytes", "Sizes", registry=found).observe(7)
    return found


def read(page: Page) -> dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]]:
    """A page as Prometheus's library reads it: of each family the samples by name and labels."""
    return {
        family.name: {(each.name, tuple(sorted(each.labels.items()))): each.value for each in family.samples}
        for family in text_string_to_metric_families(page.text().decode())
    }


def test_a_page_is_read_as_it_was_meant() -> None:
    page = Page()
    labels = labels_text([("a", 'x"y\\z\n'), ("b", "ü")])
    page.add("one_total", "counter", "One.", labels, 3)
    page.add("two", "gauge", "Two.", "", 0.5)
    page.add("one_total", "counter", "One.", "", 2**53 + 1)
    page.add("none", "gauge", "None.", "", None)
    page.add("odd", "gauge", "Odd.", "", math.inf)
    assert read(page) == {
        "one": {("one_total", (("a", 'x"y\\z\n'), ("b", "ü"))): 3.0, ("one_total", ()): 2**53 + 1},
        "two": {("two", ()): 0.5},
        "odd": {("odd", ()): math.inf},
    }


def test_a_histogram_counts_up() -> None:
    delays, page = Delays((0.1, 1.0)), Page()
    for seconds in (0.05, 0.1, 0.5, 30.0):
        delays.note(seconds)
    delays.write(page, "delay_seconds", "Delays.")
    assert read(page)["delay_seconds"] == {
        ("delay_seconds_bucket", (("le", "0.1"),)): 2.0,
        ("delay_seconds_bucket", (("le", "1.0"),)): 3.0,
        ("delay_seconds_bucket", (("le", "+Inf"),)): 4.0,
        ("delay_seconds_sum", ()): 30.65,
        ("delay_seconds_count", ()): 4.0,
    }


def test_what_an_application_says_comes_out_again_with_our_labels_and_its_own_that_clash_renamed() -> None:
    text = generate_latest(registry()).decode()
    page = Page()
    page.families = {family.name: family for family in parse(text, OWN, 100)}
    wanted = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            theirs = {("exported_task" if name == "task" else name): value for name, value in sample.labels.items()}
            wanted[sample.name, tuple(sorted((theirs | OWN).items()))] = sample.value
    found = {key: value for samples in read(page).values() for key, value in samples.items()}
    assert found == wanted
    assert page.families["requests_total"].help == r"Requests; a \\ and a\nnewline."
    assert [family.kind for family in page.families.values()].count("histogram") == 1


def test_plain_values_are_summed_over_labels_and_only_of_gauges_and_counters() -> None:
    values = plain_values(parse(generate_latest(registry()).decode(), OWN, 100))
    values = {name: value for name, value in values.items() if not name.endswith("_created")}
    assert values == {"requests_total": 7.0, "in_flight": 2.5}
    assert plain_values(parse("a NaN\nb +Inf\nc 1\nc 2\n", {}, 9)) == {"c": 3.0}


@pytest.mark.parametrize(
    ("text", "samples"),
    [
        ("", []),
        ("# a comment\n\n#\n", []),
        ("a 1 1395066363000\n", [("a", "", 1.0)]),
        ('a{x="1",} 1\n', [("a", 'x="1"', 1.0)]),
        ('a { x = "}" , y="," } -2e3', [("a", 'x="}",y=","', -2000.0)]),
        ("a{} NaN\r\n", [("a", "", None)]),
    ],
)
def test_forms_that_are_allowed(text: str, samples: list[tuple[str, str, float | None]]) -> None:
    found = [each for family in parse(text, {}, 9) for each in family.samples]
    assert [(each.name, each.labels, None if math.isnan(each.value) else each.value) for each in found] == samples


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html>\n", "line 1: wanted a metric's name, labels in braces and a number, got '<html>'"),
        ("a 1\nb x\n", "line 2: wanted a number, got 'x'"),
        ("a{x=1} 1\n", "line 1: wanted labels as"),
        ("a{" + ",".join(f'x{n}="1"' for n in range(65)) + "} 1", "line 1: wanted labels as"),
        ("# TYPE 9 gauge\n", "line 1: wanted # TYPE and a metric's name"),
        ("a 1\n" * 11, "more than 10 samples"),
    ],
)
def test_what_is_no_page_is_told_of(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text, OWN, 10)


def test_numbers() -> None:
    assert [number(each) for each in (3, 0.1, -math.inf, math.nan, 1e300)] == ["3", "0.1", "-Inf", "NaN", "1e+300"]


def test_a_line_ends_at_lf_only() -> None:
    text = '# HELP a one\x0ctwo\u2028three\na{b="x\u2028y\x85"} 1\r\n'
    (family,) = parse(text, {}, 10)
    assert (family.help, [each.labels for each in family.samples]) == ("one\x0ctwo\u2028three", ['b="x\u2028y\x85"'])


@pytest.mark.parametrize(
    "line",
    ["a{" + "}" * 1_000_000 + " x y z", "a" + " " * 1_000_000 + "1 x", 'a{b="' + "\\a" * 500_000, "a{" * 500_000],
)
def test_a_long_line_takes_no_longer_than_it_is_long(line: str) -> None:
    with pytest.raises(ValueError, match="line 1: wanted"):
        parse(line, {}, 10)
