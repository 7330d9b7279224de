"""The Terraform module, as far as it can be checked without Terraform's providers."""

import re
import shutil
import subprocess

import pytest
import yaml

from ingest.inventory.aws.calls import ASSUME
from ingest.inventory.aws.calls import actions as asked_by_inventory
from lake.schema import VPC_FIELDS
from tests import terraform
from tests.charts import MINIMAL, of_kind, rendered
from tests.terraform import MODULE, actions, code, named

ROLES = ("ingest", "inventory", "maintenance", "read")
TEMPLATES = MODULE.parent / "cloudformation"


def test_every_variable_is_used_and_every_one_used_is_declared():
    declared = set(named("variable"))
    assert declared
    assert set(re.findall(r"\bvar\.(\w+)", code())) == declared


def test_everything_that_is_referred_to_is_there():
    written = code()
    resources = {
        f"{type_}.{name}"
        for one in terraform.blocks()["resource"]
        for type_, several in one.items()
        for name in several
    }
    assert set(re.findall(r"(?<![\w.])aws_\w+\.\w+", written)) <= resources
    sources = {
        f"{type_}.{name}"
        for one in terraform.blocks()["data"]
        for type_, several in one.items()
        for name in several
    }
    assert set(re.findall(r"\bdata\.(aws_\w+\.\w+)", written)) == sources
    values = {name for one in terraform.blocks()["locals"] for name in one}
    assert set(re.findall(r"\blocal\.(\w+)", written)) == values


def test_variables_and_outputs_say_what_they_are():
    for name, body in {**named("variable"), **named("output")}.items():
        assert body["description"].endswith((".", "…")), name


def test_the_page_gives_what_has_no_default():
    needed = {name for name, body in named("variable").items() if "default" not in body}
    page = (MODULE / "README.md").read_text()
    example = page.split("```hcl\n", 1)[1].split("```", 1)[0]
    assert set(re.findall(r"^  (\w+) +=", example, re.MULTILINE)) - {"source"} == needed


def test_the_flow_log_has_every_field_that_the_lake_has():
    (fields,) = [
        one["fields"] for one in terraform.blocks()["locals"] if "fields" in one
    ]
    assert fields == [field.aws for field in VPC_FIELDS]
    (log,) = named("resource", "aws_flow_log").values()
    assert log["traffic_type"] == "ALL"
    assert log["max_aggregation_interval"] == 60
    assert "local.fields" in log["log_format"]


def test_the_inventory_may_make_the_calls_that_it_makes():
    looks = {a for a in actions("inventory") if a.startswith(("ec2:", "elastic"))}
    looks |= {a for a in actions("inventory") if a.startswith("sts:")}
    assert looks == {*asked_by_inventory(), ASSUME}


def test_only_maintenance_deletes_and_reading_writes_nothing():
    deletes = {r for r in ROLES if any("Delete" in a for a in actions(r))}
    assert deletes == {"maintenance", "ingest"}
    assert {a for a in actions("ingest") if "Delete" in a} == {"sqs:DeleteMessage"}
    verbs = {action.partition(":")[2] for action in actions("read")}
    assert all(verb.startswith(("Get", "Decrypt")) for verb in verbs)
    assert not {a for r in ROLES for a in actions(r) if "*" in a}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_cloudformation_lets_it(role):
    granted = _of_cloudformation(role)
    assert granted
    # Other accounts are a variable here; the template lists its own account.
    assert actions(role) - {ASSUME} == granted - {ASSUME}


def test_roles_trust_the_charts_service_accounts():
    accounts = of_kind(rendered(MINIMAL), "ServiceAccount")
    (trust,) = [
        body
        for name, body in named("data", "aws_iam_policy_document").items()
        if name == "trust"
    ]
    (statement,) = trust["statement"]
    subject = [c["values"] for c in statement["condition"] if ":sub" in c["variable"]]
    assert subject == [
        ["system:serviceaccount:${var.kubernetes_namespace}:${var.name}-${each.key}"]
    ]
    (roles,) = [one["roles"] for one in terraform.blocks()["locals"] if "roles" in one]
    assert set(roles) == set(accounts) == set(ROLES)
    assert all(
        document == f"${{data.aws_iam_policy_document.{role}.json}}"
        for role, document in roles.items()
    )


def test_it_is_formatted():
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on the path")
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", str(MODULE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


class _Template(yaml.SafeLoader):
    """Reads a template's own tags as what is behind them."""


def _behind(loader, _, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


_Template.add_multi_constructor("!", _behind)


def _of_cloudformation(role):
    """Return what a role's own policies and those that name it allow."""
    found = set()
    for path in TEMPLATES.glob("*.yaml"):
        resources = yaml.load(path.read_text(), Loader=_Template)["Resources"]  # noqa: S506
        for name, resource in resources.items():
            of_role = f"{role.capitalize()}Role"
            given = resource.get("Properties", {})
            if name == of_role:
                documents = [p["PolicyDocument"] for p in given.get("Policies", ())]
            elif of_role in given.get("Roles", ()):
                documents = [given["PolicyDocument"]]
            else:
                continue
            for document in documents:
                for statement in document["Statement"]:
                    assert statement["Effect"] == "Allow"
                    told = statement["Action"]
                    found |= {told} if isinstance(told, str) else set(told)
    return found
