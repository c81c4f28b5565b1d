"""The alerts, by promtool: which come when something is wrong, and none when all is well."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.dashboard import RULES
from tests.support.helm import CASES, of_kind

FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    inner = ",".join(f'{label}="{text}"' for label, text in {"node": "node-7", **labels}.items())
    return {"series": f"{name}{{{inner}}}", "values": values}


BAD = {
    "PodtickAgentDown": series("up", "0x60", job="podtick"),
    "PodtickSourceLost": series("podtick_agent_source_state", "1x60", source="docker", state="lost"),
    "PodtickTicksMissed": series("podtick_agent_ticks_missed_total", "0+1x60"),
    "PodtickSamplerRestarts": series("podtick_agent_sampler_starts_total", "1+0.1x60"),
    "PodtickTargetsRefused": series("podtick_agent_refused_targets_total", "0x20 5x40"),
    "PodtickContainersUnidentified": series("podtick_agent_unidentified_containers", "3x60"),
}
GOOD = {
    "an upgrade": series("up", "1x40 0x5 1x20", job="podtick"),
    "another's target": series("up", "0x60", job="web"),
    "a source that is there": series("podtick_agent_source_state", "0x60", source="docker", state="lost"),
    "seconds missed long ago": series("podtick_agent_ticks_missed_total", "0x20 5x40"),
    "one restart": series("podtick_agent_sampler_starts_total", "1x20 2x40"),
    "room for all": series("podtick_agent_refused_targets_total", "0x60"),
    "containers that have just begun": series("podtick_agent_unidentified_containers", "0x40 2x5 0x20"),
}


def promtool(*words: str | Path) -> str:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def check(fed: dict[str, str], firing: str | None, folder: Path) -> None:
    """After 50 minutes with this series fed each minute, this alert and no other fires."""
    samples = [{"labels": f'{{alertname="{firing}"}}', "value": 1}] if firing else []
    asked = {"expr": FIRING, "eval_time": "50m", "exp_samples": samples}
    test: dict[str, Any] = {"interval": "1m", "input_series": [fed], "promql_expr_test": [asked]}
    file = folder / "test.json"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", file)


def test_the_linter_has_nothing_to_say() -> None:
    assert f"{len(BAD)} rules found" in promtool("check", "rules", "--lint-fatal", RULES)


def test_the_object_has_all_of_them() -> None:
    assert of_kind("PrometheusRule", *CASES["full"])["spec"] == yaml.safe_load(RULES.read_text())


@pytest.mark.parametrize("alert", BAD)
def test_what_is_wrong_fires_its_alert(alert: str, tmp_path: Path) -> None:
    check(BAD[alert], alert, tmp_path)


@pytest.mark.parametrize("what", GOOD)
def test_what_is_well_fires_none(what: str, tmp_path: Path) -> None:
    check(GOOD[what], None, tmp_path)
