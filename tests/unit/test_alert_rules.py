"""The alert rules: promtool reads them, each fires when it should, all name metrics."""

import re
import subprocess
from pathlib import Path

import yaml

from lake.signals.metrics import METRICS
from tests.promtool import promtool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "infra" / "prometheus" / "flowlake-rules.yaml"
CASES = ROOT / "tests" / "data" / "alerts.yaml"
OF_HISTOGRAMS = re.compile("_(bucket|sum|count)$")


def rules():
    return [r for g in yaml.safe_load(RULES.read_text())["groups"] for r in g["rules"]]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def test_promtool_accepts_the_rules_and_each_case(tmp_path):
    cases = yaml.safe_load(CASES.read_text())
    file = tmp_path / "cases.yaml"
    file.write_text(yaml.safe_dump({**cases, "rule_files": [str(RULES)]}))
    for words in (["check", "rules", str(RULES)], ["test", "rules", str(file)]):
        done = subprocess.run(
            [promtool(), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires():
    told = CASES.read_text()
    assert [a["alert"] for a in alerts() if a["alert"] not in told] == []


def test_rules_name_metrics_and_labels_that_exist():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert recorded == {"flowlake:slo_met:min"}
    for rule in rules():
        for name in re.findall(r"\bflowlake_\w+", rule["expr"]):
            assert OF_HISTOGRAMS.sub("", name) in METRICS, name


def test_each_alert_says_whom_it_is_for_and_what_to_do():
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "ticket"), alert
        assert len(alert["annotations"]["description"]) > 20, alert
        assert len(alert["annotations"]["summary"]) > 20, alert
