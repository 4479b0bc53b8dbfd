"""Prometheus's own parser reads the expressions, tests the alerts and checks what is published."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from reseal import AsyncReseal, Settings
from reseal._async.engine import AsyncEngine
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.telemetry import AsyncMetrics
from reseal.testing import ManualClock, Recorder
from tests.telemetry.test_contrib import DASHBOARD, ROOT, RULES, SAMPLES
from tests.telemetry.week import SETTINGS, Week

FOLDER = ROOT / "contrib/prometheus"
ALERTS = [rule["alert"] for group in RULES["groups"] for rule in group["rules"]]
TESTS = yaml.safe_load((FOLDER / "reseal.tests.yaml").read_text())["tests"]
NAMED_LIKE_A_HISTOGRAM = 'reseal_session_count non-histogram and non-summary metrics should not have "_count" suffix'
"""OpenTelemetry's rules make this name of ``reseal.session.count``; there is no histogram ``reseal_session``."""


def promtool(*arguments, text=""):
    return subprocess.run(
        ["promtool", *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60, check=False
    )


def check(folder, expressions):
    """Have expressions read as recording rules."""
    rules = [{"record": f"r:{number}", "expr": text} for number, text in enumerate(expressions)]
    path = Path(folder) / "rules.yaml"
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    return promtool("check", "rules", path)


def test_the_rules_are_read():
    done = promtool("check", "rules", FOLDER / "reseal.rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in done.stdout


def test_the_expressions_of_the_dashboard_are_read(tmp_path):
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    done = check(tmp_path, [text.replace("$__rate_interval", "5m") for text in shown])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(shown)} rules found" in done.stdout


@pytest.mark.parametrize("wrong", ["rate(reseal_unavailable_total)", "sum by (job reseal_connections)", "max(x[5m])"])
def test_a_wrong_expression_is_found(tmp_path, wrong):
    assert check(tmp_path, [wrong]).returncode != 0


def test_each_alert_fires_when_it_should_and_not_otherwise():
    done = promtool("test", "rules", FOLDER / "reseal.tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [(each["alertname"], bool(each.get("exp_alerts"))) for test in TESTS for each in test["alert_rule_test"]]
    assert {name for name, fires in asked if fires} == {name for name, fires in asked if not fires} == set(ALERTS)


def test_the_tests_of_the_alerts_use_metrics_that_exist():
    series = {each["series"].partition("{")[0] for test in TESTS for each in test["input_series"]}
    assert series - SAMPLES == set()


async def test_what_is_published_keeps_the_conventions():
    clock, settings = ManualClock(), Settings(api_domain="https://api.example.com", **SETTINGS)
    engine = AsyncEngine(settings, AsyncMemoryStore(clock), clock=clock, on_event=Recorder())
    async with AsyncReseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        metrics = AsyncMetrics(reseal, clock=clock, consumers=("audit",))
        await Week(reseal.backend, clock, 1).play()
        done = promtool("check", "metrics", text=await metrics.text())
    assert done.stdout + done.stderr == f"{NAMED_LIKE_A_HISTOGRAM}\n"
