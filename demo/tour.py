"""The demo: a simulated AWS on loopback, the main job, first answers."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from lake.errors import UsageError

BUCKET = "flowlake-demo"
LATEST = "2026-01-02"
KEPT = ("inventory/aws", "inventory/kubernetes-watch")
WINDOW = ("--since", "2026-01-01", "--until", LATEST)
# What the network has wrong: of each kind of misconfiguration one, and who meets it.
WRONG = (
    ("a group without the inbound rule that its clients need",
     "dstport = 5432 AND src_workload = 'checkout'", ("--prefer", "groups")),
    ("a group without the outbound rule that its own need", "dstport = 25", ()),
    ("a network ACL that denies before it allows",
     "reject_cause = 'network_acl' AND initiator = 'src' AND dstport = 8443", ()),
    ("a network ACL that lets requests in, and no reply out",
     "reject_cause = 'network_acl' AND initiator = 'dst' AND srcport = 8443", ()),
)  # fmt: skip


def demo(
    *,
    records: Annotated[str, typer.Option(help="How many to simulate")] = "60k",
    lake: Annotated[Path, typer.Option(help="Made anew each time")] = Path("demo-lake"),
) -> None:
    """Simulate an AWS account, ingest its flow logs from S3, ask the first questions.

    Nothing to configure, nothing leaves this machine: S3 is a server on loopback that
    ends with the demo. What is printed are the commands that ran.
    """
    try:
        from moto.server import ThreadedMotoServer
    except ImportError:
        raise UsageError(
            "the demo needs its own S3 server: pip install 'flowlake[demo]'"
        ) from None
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    shutil.rmtree(lake, ignore_errors=True)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = _environment(f"http://{host}:{port}", lake)
        _make_bucket(environment)
        with tempfile.TemporaryDirectory(prefix="flowlake-") as saved:
            _tour(environment, records, Path(saved))
    finally:
        server.stop()
    print(f"\nThe lake stays in {lake}: flowlake --lake {lake} sql | report | serve")


def _tour(environment: dict[str, str], records: str, saved: Path) -> None:
    source = f"s3://{BUCKET}/AWSLogs"
    _run(environment, "simulate", "--records", records, "--shape", "network",
         "--out", f"s3://{BUCKET}")  # fmt: skip
    _fetch(environment, saved)
    for folder in sorted(saved.glob("inventory/aws*")):
        _run(environment, "inventory", "aws", "--from", str(folder))
    for watch in sorted(saved.glob("inventory/kubernetes-watch/*")):
        _run(environment, "inventory", "kubernetes", "--from", str(watch))
    _run(environment, "ingest", source)
    _run(environment, "ingest", source)  # again: nothing is read twice
    _run(environment, "ingest", f"s3://{BUCKET}/replica")  # nor from a copy
    _run(environment, "status", "--format", "table")
    _run(environment, "report", "rejected_traffic", "--by", "eni", *WINDOW,
         "--limit", "5", "--format", "table")  # fmt: skip
    _run(environment, "report", "top_talkers", "--by", "address", *WINDOW,
         "--limit", "5", "--format", "table")  # fmt: skip
    _run(environment, "report", "conversations", "--by", "pod", *WINDOW,
         "--where", "namespace=back", "--limit", "5", "--format", "table")  # fmt: skip
    by_verdict = (
        "SELECT verdict, count(*) AS records, sum(bytes) AS bytes FROM flows "
        "WHERE counted GROUP BY 1 ORDER BY 1"
    )
    _run(environment, "sql", "--format", "table", by_verdict)
    _run(environment, "doctor", "--format", "table")
    for number, (what, who, options) in enumerate(WRONG, 1):
        print(f"\n# {number}. {what}: found, explained, mended on paper, tried out")
        _mend(environment, saved / f"change-{number}.json", who, options)


def _mend(
    environment: dict[str, str], changes: Path, who: str, options: tuple[str, ...]
) -> None:
    """Find what was rejected, say why, and try what would let it pass."""
    asked = (*WINDOW, "--filter", who)
    _run(environment, "report", "rejected_traffic", *asked, "--limit", "3",
         "--format", "table")  # fmt: skip
    _run(environment, "explain", *asked, "--format", "table")
    _run(environment, "suggest", *asked, *options, "--format", "table")
    _run(environment, "suggest", *asked, *options, "--as", "changes",
         "--output", str(changes))  # fmt: skip
    _run(environment, "backtest", *WINDOW, "--changes", str(changes),
         "--limit", "5", "--format", "table")  # fmt: skip


def _environment(endpoint: str, lake: Path) -> dict[str, str]:
    return {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_DEFAULT_REGION": "us-east-1",
        "FLOWLAKE_LAKE": str(lake),
    }


def _make_bucket(environment: dict[str, str]) -> None:
    _client(environment).create_bucket(Bucket=BUCKET)


def _client(environment: dict[str, str]) -> Any:
    import boto3

    session = boto3.session.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    return session.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"])


def _fetch(environment: dict[str, str], place: Path) -> None:
    """Fetch what was saved of AWS and the clusters; the bucket holds it too."""
    client = _client(environment)
    pages = client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=BUCKET, Prefix="inventory/"):
        for item in page.get("Contents", ()):
            if not item["Key"].startswith(KEPT):
                continue
            path = place / item["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(BUCKET, item["Key"], str(path))


def _quoted(text: str) -> str:
    """Return an argument as a person would type it."""
    return (
        f'"{text}"' if "'" in text and not set(text) & set('"$`') else shlex.quote(text)
    )


def _run(environment: dict[str, str], *arguments: str) -> None:
    """Show a command, run it as a user would, stop the demo if it fails."""
    print(f"\n$ flowlake {' '.join(map(_quoted, arguments))}", flush=True)
    done = subprocess.run(  # noqa: S603  # our own command line, no shell
        [sys.executable, "-m", "flowlake", *arguments],
        env=environment,
        check=False,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise typer.Exit(done.returncode)
