"""The image and the templates: what tools say of them, and what must be true of them.

Nothing is built or deployed here: what only AWS or an engine can tell is named in
infra/cloudformation/README.md.
"""

import json
import operator
import re
import tomllib
from collections.abc import Mapping

import pytest
import yaml

from lake.schema import VPC_FIELDS
from lake.settings import Settings, load_settings
from tests.charts import EVERYTHING, rendered
from tests.checks import complaints
from tests.templates import FOLDER, INFRA, Template

ROOT = INFRA.parent
TEMPLATES = ("logs.yaml", "flowlake.yaml")
DOCKERFILE = INFRA / "Dockerfile"
NAMED = re.compile(r"\bFLOWLAKE_[A-Z0-9_]+")
SETTINGS = {
    f"FLOWLAKE_{name.upper()}": told for name, told in Settings.model_fields.items()
}
SECRETS = {
    name for name, told in SETTINGS.items() if "SecretStr" in str(told.annotation)
}
# What the chart does otherwise than checkov would, and why.
EXCUSED = {
    "CKV_K8S_8": "the watcher serves nobody: it ends when it cannot go on",
    "CKV_K8S_9": "the same",
    "CKV_K8S_11": "a limit of CPU only makes a run longer; memory has one",
    "CKV_K8S_21": "the namespace is the release's, as Helm is told",
    "CKV_K8S_35": "settings are read from the environment",
    "CKV_K8S_38": "the watcher asks its cluster",
}
NO_SECRET = {"type", "s3.region"}  # properties of a catalog
ANY = {
    "VpcId": "vpc-1",
    "VpcCidr": "10.0.0.0/16",
    "SubnetIds": ["subnet-1"],
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:alarms",
    "LogBucketName": "logs",
    "LogKeyArn": "LogKey",
    "QueueArn": "Queue",
    "QueueUrl": "https://queue",
    "WarehouseBucketName": "warehouse",
    "ImageDigest": "sha256:0",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "OidcIssuer": "https://issuer",
    "OidcAudience": "flowlake",
    "KeysSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:keys",
    "AddressKeySecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:key",
}


@pytest.fixture(scope="module")
def flowlake_():
    return Template("flowlake.yaml", **ANY)


@pytest.fixture(scope="module")
def logs():
    return Template("logs.yaml", **ANY)


def test_cfn_lint_is_content_with_the_templates():
    assert complaints("cfn-lint", *(FOLDER / name for name in TEMPLATES)) == ""


def test_hadolint_is_content_with_the_image():
    assert complaints("hadolint", DOCKERFILE) == ""


def test_checkov_is_content_but_for_what_is_excused(checkov, tmp_path):
    """One run for all; templates excuse theirs in place, the chart's are above."""
    manifests = "---\n".join(yaml.safe_dump(told) for told in rendered(EVERYTHING))
    (tmp_path / "release.yaml").write_text(manifests)
    kinds = ["cloudformation", "dockerfile", "terraform", "kubernetes"]
    failed, passed = checkov([INFRA, tmp_path], kinds)
    assert {check for check, _, _ in failed} == EXCUSED.keys()
    assert {path for _, path, _ in failed} == {"/release.yaml"}
    assert {kind for kind in kinds if passed[kind] > 50} == set(kinds)


def test_the_flow_log_has_every_field_that_a_lake_knows(logs):
    [flow_log] = logs.of_type("AWS::EC2::FlowLog").values()
    fields = re.findall(r"\$\{([a-z0-9-]+)\}", flow_log["LogFormat"])
    assert fields == [str(field.aws) for field in VPC_FIELDS]
    assert flow_log["MaxAggregationInterval"] == 60
    assert flow_log["TrafficType"] == "ALL"


@pytest.mark.parametrize(
    "path", [DOCKERFILE, *(FOLDER / name for name in TEMPLATES)], ids=lambda p: p.name
)
def test_every_setting_that_is_named_exists(path):
    assert set(NAMED.findall(path.read_text())) <= SETTINGS.keys()


def test_tasks_are_given_settings_that_a_lake_takes(flowlake_):
    for job in flowlake_.jobs():
        assert job.environment.keys() <= SETTINGS.keys()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in job.environment.items():
                patch.setenv(name, value)
            settings = load_settings()
        assert settings.warehouse == "s3://warehouse/lake"
        assert settings.catalog["type"].get_secret_value() == "glue"


def test_secrets_are_never_in_an_environment(flowlake_):
    told = set()
    for job in flowlake_.jobs():
        told |= job.secrets
        assert job.environment.keys() & SECRETS <= {"FLOWLAKE_CATALOG"}
        assert json.loads(job.environment["FLOWLAKE_CATALOG"]).keys() <= NO_SECRET
    assert told == SECRETS - {"FLOWLAKE_CATALOG"}


def test_a_task_writes_to_its_scratch_folder_alone_and_as_nobody(flowlake_):
    tasks = flowlake_.of_type("AWS::ECS::TaskDefinition")
    assert len(tasks) == 5
    for task in tasks.values():
        [container] = task["ContainerDefinitions"]
        assert container["ReadonlyRootFilesystem"] is True
        assert container["User"] == "65532:65532"
        assert [m["ContainerPath"] for m in container["MountPoints"]] == ["/tmp"]  # noqa: S108
        assert "@" in container["Image"]
    text = (FOLDER / "flowlake.yaml").read_text()
    assert text.count("AssignPublicIp: DISABLED") == text.count("AssignPublicIp:") == 8


def test_a_bucket_is_private_encrypted_and_asked_by_tls_alone(flowlake_, logs):
    for template in (flowlake_, logs):
        [(name, bucket)] = template.of_type("AWS::S3::Bucket").items()
        blocked = bucket["PublicAccessBlockConfiguration"]
        assert len(blocked) == 4
        assert all(blocked.values())
        [policy] = template.of_type("AWS::S3::BucketPolicy").values()
        [denied] = [
            s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"
        ]
        arn = template.value({"Fn::GetAtt": [name, "Arn"]})
        assert denied["Resource"] == [arn, f"{arn}/*"]
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_aws_service_is_let_in_for_this_account_alone(flowlake_, logs):
    """Else a stranger could have AWS write here, or name objects to be read."""
    policies = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::KMS::Key")
    let_in = 0
    for template in (flowlake_, logs):
        for kind in policies:
            for properties in template.of_type(kind).values():
                document = properties.get("PolicyDocument") or properties["KeyPolicy"]
                for statement in document["Statement"]:
                    if "Service" in _principal(statement):
                        let_in += 1
                        assert "123456789012" in json.dumps(statement["Condition"])
                        assert set(statement["Condition"]) & {"ArnLike", "ArnEquals"}
    assert let_in == 6


def _principal(statement):
    told = statement["Principal"]
    return told if isinstance(told, Mapping) else {}


def test_what_cannot_be_read_ends_in_a_queue_that_alarms(logs):
    queues = logs.of_type("AWS::SQS::Queue")
    assert queues["Queue"]["RedrivePolicy"] == {
        "deadLetterTargetArn": "DeadLetters",
        "maxReceiveCount": 5,
    }
    watched = {
        (alarm["MetricName"], alarm["Dimensions"][0]["Value"])
        for alarm in logs.of_type("AWS::CloudWatch::Alarm").values()
    }
    assert watched == {
        ("ApproximateNumberOfMessagesVisible", "DeadLetters"),
        ("ApproximateAgeOfOldestMessage", "Queue"),
    }


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ({"event": "run_ended", "command": "ingest", "exit_code": 0}, ["RunsDone"]),
        ({"event": "run_ended", "command": "compact", "exit_code": 0}, []),
        (
            {"event": "run_ended", "command": "ingest", "exit_code": 1},
            ["RunsDone", "RunsWithFailures"],
        ),
        ({"event": "run_ended", "command": "status", "exit_code": 1}, []),
        ({"event": "run_ended", "command": "gc", "exit_code": 3}, ["RunsFailed"]),
        ({"event": "run_ended", "command": "ingest", "exit_code": 2}, ["RunsFailed"]),
        ({"event": "slo_missed", "slo": "freshness", "value": 1}, ["SlosMissed"]),
        ({"event": "batch_committed"}, []),
    ],
    ids=str,
)
def test_a_line_of_the_log_counts_for_the_alarms_that_it_concerns(
    flowlake_, line, counted
):
    filters = flowlake_.of_type("AWS::Logs::MetricFilter").values()
    names = {
        told["MetricTransformations"][0]["MetricName"]
        for told in filters
        if matches(told["FilterPattern"], line)
    }
    assert names == set(counted)
    alarms = flowlake_.of_type("AWS::CloudWatch::Alarm").values()
    assert names <= {alarm["MetricName"] for alarm in alarms}


COMPARED = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">=": operator.ge,
}


def matches(pattern, line):
    """Whether CloudWatch's pattern matches; of its grammar what is used here."""
    for term in pattern.strip("{ }").split(" && "):
        name, comparison, value = term.removeprefix("$.").split(" ")
        if name not in line or not COMPARED[comparison](line[name], json.loads(value)):
            return False
    return True


def test_jobs_alarm_when_none_ends_well(flowlake_):
    silent = flowlake_.of_type("AWS::CloudWatch::Alarm")["NoRunAlarm"]
    assert silent["Period"] * silent["EvaluationPeriods"] == 30 * 60
    assert silent["TreatMissingData"] == "breaching"


def test_without_a_certificate_there_is_no_service():
    least = Template("flowlake.yaml", **ANY | {"CertificateArn": ""})
    kinds = {told["Type"] for told in least.resources.values()}
    assert not {kind for kind in kinds if "LoadBalancing" in kind}
    assert "AWS::ECS::Service" not in kinds
    assert {job.command[0] for job in least.jobs()} == {
        *("ingest", "inventory", "compact", "retain", "gc", "status"),
    }


def test_what_one_template_tells_the_other_asks_for(flowlake_, logs):
    assert logs.raw["Outputs"].keys() <= flowlake_.raw["Parameters"].keys()


def test_the_image_holds_each_package_and_nothing_is_kept_from_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = {
        word.rstrip("/")
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.M)
        for word in line.split()[:-1]
    }
    assert (
        set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied
    )
    let_in = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]  # fmt: skip
    assert copied == set(let_in)


def test_the_images_lock_is_the_projects_with_what_a_server_needs():
    project, image = (
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(), re.M))
        for path in (ROOT / "requirements.lock", INFRA / "requirements.lock")
    )
    assert {name: image.get(name) for name in project} == project
    assert {"kubernetes", "psycopg2-binary", "opentelemetry-sdk"} <= image.keys()
    assert "--hash" in (INFRA / "requirements.lock").read_text()
