"""What the templates' roles may do is what their commands ask of AWS, and no more.

Each command of flowlake.yaml is run as it stands there, against a mock that notes what
it is asked and by whom. The mock allows everything: that AWS would is what is compared.
"""

import gzip
import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from fastapi.testclient import TestClient
from moto.s3.models import s3_backends

from api.app import create_app
from ingest.inventory.aws.calls import actions
from lake.settings import load_settings
from tests.aws_calls import noting
from tests.processes import flowlake
from tests.samples import BEGIN, V2, record
from tests.templates import ACCOUNT, REGION, Template, allows

LOGS, WAREHOUSE, QUEUE = "infra-logs", "infra-warehouse", "infra-queue"
JOBS = ("IngestRole", "InventoryRole", "MaintenanceRole", "ReadRole")
ORPHAN = "lake/flows/data/day=2026-01-01/orphan.parquet"
# Granted, though no command asks for it here, and why.
UNSEEN = {
    "kms:Decrypt": "S3 and SQS ask for it in the caller's name, where a key is set",
    "kms:GenerateDataKey": "the same, to write",
    "s3:AbortMultipartUpload": "a large file of which a part could not be sent",
    "sqs:ChangeMessageVisibility": "a batch that takes longer than its messages hide",
    "ec2:DescribeRegions": "the test names its Region",
}


@pytest.fixture(scope="module")
def template():
    return Template(
        "flowlake.yaml",
        LogBucketName=LOGS,
        LogKeyArn="LogKey",
        QueueArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}",
        QueueUrl=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{QUEUE}",
        WarehouseBucketName=WAREHOUSE,
        VpcId="vpc-1",
        VpcCidr="10.0.0.0/16",
        SubnetIds=["subnet-1"],
        AlarmTopicArn="arn:aws:sns:us-east-1:123456789012:alarms",
        ImageDigest="sha256:" + "0" * 64,
        CertificateArn="arn:aws:acm:us-east-1:123456789012:certificate/1",
        OidcIssuer="https://issuer.example",
        OidcAudience="flowlake",
    )


@pytest.fixture(scope="module")
def asked(template, _clean_environment):
    """What the commands of all jobs asked of AWS."""
    with noting() as (endpoint, seen), pytest.MonkeyPatch.context() as patch:
        for name, value in _credentials(endpoint, "setup").items():
            patch.setenv(name, value)
        _make_sources()
        for job in _in_order(template.jobs()):
            if job.command[0] == "serve":
                _ask_the_service(job, endpoint, patch)
            else:
                _run(job, endpoint)
        assert not _is_there(ORPHAN)
        yield frozenset(call for call in seen if call.who != "setup")


def _credentials(endpoint, who):
    return {
        "AWS_ACCESS_KEY_ID": who,
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
    }


def _environment(job, endpoint):
    catalog = json.loads(job.environment["FLOWLAKE_CATALOG"])
    local = {
        "FLOWLAKE_CATALOG": json.dumps({**catalog, "s3.endpoint": endpoint}),
        "FLOWLAKE_QUEUE_GATHER_S": "0.1",
    }
    return job.environment | local | _credentials(endpoint, job.role)


def _in_order(jobs):
    """The queue's object makes the lake; who looks after it comes in the end."""
    first = ["ingest", "inventory", "compact", "retain", "gc", "status", "serve"]
    return sorted(
        jobs,
        key=lambda job: (
            first.index(job.command[0]),
            "--until-empty" not in job.command,
        ),
    )


def _make_sources():
    s3 = boto3.client("s3")
    for bucket in (LOGS, WAREHOUSE):
        s3.create_bucket(Bucket=bucket)
    boto3.client("glue").create_database(DatabaseInput={"Name": "flowlake"})
    sqs = boto3.client("sqs")
    sqs.create_queue(QueueName=QUEUE)
    told = {"QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"}
    for number in range(2):
        lines = [V2, *(record(number * 10 + n, BEGIN + n) for n in range(3)), ""]
        body = gzip.compress("\n".join(lines).encode())
        s3.put_object(Bucket=LOGS, Key=f"AWSLogs/{number}.log.gz", Body=body)
        s3.put_bucket_notification_configuration(  # from the second object on
            Bucket=LOGS,
            NotificationConfiguration={
                "QueueConfigurations": [told | {"Events": ["s3:ObjectCreated:*"]}]
            },
        )
    ec2 = boto3.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ec2.create_network_interface(SubnetId=subnet)
    for client in (s3, sqs, ec2):
        client.close()


def _run(job, endpoint):
    command = list(job.command)
    if command[0] == "inventory":
        command += ["--region", REGION]
    if command[0] == "gc":
        _leave_an_orphan()
    done = flowlake("-q", *command, **_environment(job, endpoint))
    # 1: the mock does not know all that an inventory asks for; its records are old
    known = (0, 1) if command[0] in ("inventory", "status") else (0,)
    assert done.returncode in known, done.stderr[-3000:]


def _leave_an_orphan():
    s3 = boto3.client("s3")
    s3.put_object(Bucket=WAREHOUSE, Key=ORPHAN, Body=b"of a killed run")
    s3.close()
    [kept] = s3_backends[ACCOUNT]["aws"].buckets[WAREHOUSE].keys.getlist(ORPHAN)
    kept.last_modified = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=30)


def _is_there(key):
    return key in s3_backends[ACCOUNT]["aws"].buckets[WAREHOUSE].keys


def _ask_the_service(job, endpoint, patch):
    for name, value in _environment(job, endpoint).items():
        patch.setenv(name, value)
    patch.setenv("FLOWLAKE_AUTH", "auto")  # who may ask is not the matter here
    patch.setenv("FLOWLAKE_HOST", "127.0.0.1")
    patch.delenv("FLOWLAKE_OIDC_ISSUER")
    patch.delenv("FLOWLAKE_OIDC_AUDIENCE")
    window = "since=2026-01-01&until=2026-01-02"
    with TestClient(create_app(load_settings()), base_url="http://127.0.0.1") as client:
        for path in (
            "/readyz",
            "/v1/status",
            f"/v1/reports/conversations?{window}",
            f"/v1/reports/records?{window}",
            "/v1/identities?address=10.0.0.1&at=2026-01-01T00:00Z",
        ):
            assert client.get(path).status_code == 200, path


def test_roles_are_granted_what_their_commands_ask_for_and_no_more(template, asked):
    """One test for all: what is asked takes a while to find out."""
    assert {call.who for call in asked} == set(JOBS)
    grants = list(template.grants())
    refused = {call for call in asked if not any(allows(g, call) for g in grants)}
    assert refused == set()
    seen = {(call.who, call.action) for call in asked}
    granted = {(g.role, g.action) for g in grants if g.role in JOBS}
    unseen = {(role, action) for role, action in granted - seen if action not in UNSEEN}
    # The mock's account lacks what some calls of an inventory are made for.
    assert unseen <= {("InventoryRole", action) for action in actions()}


def test_an_inventory_is_granted_the_calls_that_it_makes(template):
    looks = {
        grant.action
        for grant in template.grants()
        if grant.role == "InventoryRole"
        and grant.action.startswith(("ec2:", "elasticloadbalancing:", "sts:"))
    }
    assert looks == set(actions())


def test_nothing_is_granted_without_a_name(template):
    """No action is a pattern; everything is allowed where AWS knows no other way."""
    whole = {"ecr:GetAuthorizationToken", *actions()}
    for grant in template.grants():
        assert "*" not in grant.action
        assert grant.resource != "*" or grant.action in whole, grant


def test_who_may_delete_and_who_may_read_the_logs(template):
    grants = list(template.grants())
    assert {
        g.role for g in grants if "Delete" in g.action and g.action[:3] == "s3:"
    } == {"MaintenanceRole"}
    assert {g.role for g in grants if LOGS in g.resource} == {"IngestRole"}
    assert {g.role for g in grants if g.action == "glue:CreateTable"} == {"IngestRole"}


def test_the_service_writes_nothing(template):
    actions_ = {g.action for g in template.grants() if g.role == "ReadRole"}
    assert actions_ == {"glue:GetTable", "s3:GetObject", "kms:Decrypt"}


def test_an_inventory_writes_its_own_tables_alone(template):
    written = {
        grant.resource.rpartition("/lake/" if "s3" in grant.action else "/")[2]
        for grant in template.grants()
        if grant.role == "InventoryRole"
        and grant.action in ("s3:PutObject", "glue:UpdateTable")
    }
    tables = {"identities", "configurations"}
    assert written >= tables | {f"{table}/*" for table in tables}
    assert "*" not in written


def test_the_scheduler_runs_those_jobs_on_that_cluster_only(template):
    [policy] = template.resources["SchedulerRole"]["Properties"]["Policies"]
    told = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    tasks = set(template.of_type("AWS::ECS::TaskDefinition")) - {"ApiTask"}
    assert set(told["Jobs"]["Resource"]) == tasks
    assert told["Jobs"]["Condition"] == {"ArnEquals": {"ecs:cluster": "Cluster"}}
    passed = {
        template.resources[task]["Properties"][role]
        for task in tasks
        for role in ("TaskRoleArn", "ExecutionRoleArn")
    }
    assert set(told["AsTheJobs"]["Resource"]) == passed
    assert told["AsTheJobs"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
