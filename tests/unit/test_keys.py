"""What a key tells, and by which name its object is known."""

from datetime import UTC, date, datetime

import pytest

from ingest.keys import Days, KeyFacts, folder_days, identity_of, parse_key

STEM = "123456789012_vpcflowlogs_eu-west-1_fl-0a1b2c3d_20260105T1620Z_fe123abc"


@pytest.mark.parametrize(
    "suffix", ["", ".log", ".log.gz", ".log.parquet", ".parquet", ".gz", ".csv"]
)
@pytest.mark.parametrize("folder", ["", "a b/c+d/", "/abs/path/", "s3://bucket/x/"])
def test_an_aws_shaped_name_is_read_wherever_it_lies(folder, suffix):
    facts = parse_key(folder + STEM + suffix)
    assert facts == KeyFacts(
        stem=STEM,
        account_id="123456789012",
        region="eu-west-1",
        flow_log_id="fl-0a1b2c3d",
        key_time=datetime(2026, 1, 5, 16, 20, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "key",
    [
        "vpcflowlog.log.gz",
        f"{STEM}.log.gz/",
        f"copy of {STEM}.log.gz",
        f"{STEM} (1).log.gz",
        f"{STEM}.log.gz.md5",
        f"{STEM}.checksum",
        f"{STEM}.log.gz\n",
        STEM.replace("20260105", "20261305"),
        STEM.replace("123456789012", "12345678901"),
        STEM.replace("123456789012", "unknown"),
        "\u0661" + STEM[1:],
    ],
)
def test_any_other_name_tells_nothing(key):
    assert parse_key(key) is None


def test_copies_of_an_aws_object_are_one_object():
    places = [
        f"s3://a/AWSLogs/1/{STEM}.log.gz",
        f"s3://b/replica/{STEM}.log",
        f"/home/x/{STEM}.log.parquet",
    ]
    names = {
        identity_of(place, etag=str(n), local=n == 2) for n, place in enumerate(places)
    }
    assert names == {STEM}


def test_another_object_is_known_by_its_place():
    assert identity_of("s3://b/k.gz", etag="e", local=False) == "s3://b/k.gz"


def test_another_file_is_known_by_its_place_and_content():
    assert identity_of("/x/k.gz", etag="e", local=True) == "/x/k.gz#e"


@pytest.mark.parametrize(
    ("folder", "first", "last"),
    [
        ("vpcflowlogs/eu-west-1/2026/", date(2026, 1, 1), date(2026, 12, 31)),
        ("vpcflowlogs/eu-west-1/2024/02/", date(2024, 2, 1), date(2024, 2, 29)),
        ("vpcflowlogs/eu-west-1/2026/01/05/", date(2026, 1, 5), date(2026, 1, 5)),
        ("vpcflowlogs/eu-west-1/2026/01/05/16/", date(2026, 1, 5), date(2026, 1, 5)),
        (
            "aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=01/",
            date(2026, 1, 1),
            date(2026, 1, 31),
        ),
        (
            "service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=01/day=05/hour=16/",
            date(2026, 1, 5),
            date(2026, 1, 5),
        ),
    ],
)
def test_a_dated_folder_is_for_its_days(folder, first, last):
    assert folder_days(f"org/AWSLogs/1/{folder}") == Days(first, last)


@pytest.mark.parametrize(
    "folder",
    [
        "AWSLogs/1/vpcflowlogs/eu-west-1/",
        "AWSLogs/1/vpcflowlogs/eu-west-1/2026",
        "AWSLogs/1/vpcflowlogs/eu-west-1/2026/13/",
        "AWSLogs/1/vpcflowlogs/eu-west-1/0000/",
        "AWSLogs/1/CloudTrail/eu-west-1/2026/01/05/",
        "my-vpcflowlogs/eu-west-1/2026/01/05/",
        "2026/01/05/",
    ],
)
def test_any_other_folder_has_no_days(folder):
    assert folder_days(folder) is None


def test_a_month_cut_short_is_of_its_year():
    assert folder_days("vpcflowlogs/eu-west-1/2026/0") == Days(
        date(2026, 1, 1), date(2026, 12, 31)
    )
