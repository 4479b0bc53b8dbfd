"""The dashboard and the alert rules: their shape, and that every metric and label in them exists."""

import json
import re
from pathlib import Path

import pytest
import yaml

from reseal.metrics.sign_outs import EVIDENCE
from reseal.server.metrics import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "contrib/grafana/reseal.json").read_text())
RULES = yaml.safe_load((ROOT / "contrib/prometheus/reseal.rules.yaml").read_text())
PAGE = (ROOT / "docs/how-to/metrics.md").read_text()
SAMPLES = {full for name, family in FAMILIES.families.items() for full in family.names(name)}
FUNCTIONS = {"histogram_quantile", "increase", "rate", "sum", "max"}
LABELS = {"outcome", "subtype", "reason", "evidence", "operation", "kind", "channel", "le", "status", "job"}
VALUES = {
    "theft",
    "replayed",
    "given_up",
    "lost_response",
    "successor_unreadable",
    "newer_than_store",
    "forked",
    *EVIDENCE,
}
WORDS = {"by", "ignoring", "group_left"}


def expressions():
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return found + [rule["expr"] for rule in rules()]


def rules():
    return [rule for group in RULES["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("expression", expressions())
def test_every_name_in_an_expression_exists(expression):
    values = {value for text in re.findall(r'"([^"]*)"', expression) for value in text.split("|")}
    assert values <= VALUES
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', " ", expression)
    names = set(re.findall(r"[a-zA-Z_]\w*", bare))
    assert names & SAMPLES
    assert names - SAMPLES - FUNCTIONS - LABELS - WORDS == set()
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)


@pytest.mark.parametrize("expression", expressions())
def test_counters_are_read_as_rates_and_gauges_are_not(expression):
    for name, family in FAMILIES.families.items():
        for use in re.finditer(rf"(\w*)\s*\(?{name}(_bucket)?\b(\{{[^}}]*\}})?(\[)?", expression):
            assert bool(use[4]) is (family.kind != "gauge")


def test_each_metric_is_on_the_dashboard_and_in_the_page():
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    left_out = {"reseal_refused_total", "reseal_connections_closed_total", "reseal_unavailable_total"}
    assert {name for name in FAMILIES.families if name not in shown} - left_out == {"reseal_purge_overdue_seconds"}
    assert [name for name in FAMILIES.families if f"`{name}`" not in PAGE] == []


def test_the_dashboard_can_be_imported():
    assert DASHBOARD["title"]
    assert DASHBOARD["schemaVersion"] >= 30
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource"]
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(panel["datasource"]["uid"] == "${datasource}" and panel["targets"] for panel in panels)


def test_each_alert_says_how_bad_it_is_and_the_page_what_to_do():
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
        assert f"`{rule['alert']}`" in PAGE
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
