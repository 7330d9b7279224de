"""Listing finds every object that is wanted, whatever the layout and the names."""

import os
import uuid
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.config import Config

from ingest import bucket as bucket_module
from ingest.bucket import Bucket
from ingest.listing import list_sources
from lake.errors import SourceDenied, SourceMissing, SourceUnavailable, UsageError
from tests.servers import Reply, failure

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNT = "123456789012"
PLAIN = "AWSLogs/{a}/vpcflowlogs/{r}/{t:%Y/%m/%d}/"
HIVE = (
    "AWSLogs/aws-account-id={a}/aws-{s}=vpcflowlogs/aws-region={r}/"
    "year={t:%Y}/month={t:%m}/day={t:%d}/"
)
SHAPES = {
    "plain": PLAIN,
    "plain hourly": PLAIN + "{t:%H}/",
    "hive": HIVE.replace("{s}", "service"),
    "hive hourly": HIVE.replace("{s}", "service") + "hour={t:%H}/",
    "hive of old": HIVE.replace("aws-{s}", "service"),
    "under an organisation": "o-1/flow logs/" + PLAIN,
}


def key(time, shape=PLAIN, region="eu-west-1"):
    name = f"{ACCOUNT}_vpcflowlogs_{region}_fl-0a1_{time:%Y%m%dT%H%M}Z_ab.log.gz"
    return shape.format(a=ACCOUNT, r=region, t=time) + name


def days_ago(*numbers):
    return [NOW - timedelta(days=number) for number in numbers]


@pytest.fixture
def put(s3, bucket):
    def put(*keys):
        for name in keys:
            s3.put_object(Bucket=bucket, Key=name, Body=b"x")

    return put


@pytest.fixture
def listed(s3, bucket):
    """Return the keys below a prefix."""

    def listed(prefix="", **options):
        place = f"s3://{bucket}/{prefix}"
        pages = list(
            list_sources([place], client_factory=lambda: s3, now=NOW, **options)
        )
        assert all(0 < len(page) <= 1000 for page in pages)
        root = f"s3://{bucket}/"
        return [source.location.removeprefix(root) for page in pages for source in page]

    return listed


@pytest.fixture
def calls(s3):
    """Every ListObjectsV2 call's parameters."""
    seen = []

    def note(params, **_):
        seen.append(params["Prefix"])

    s3.meta.events.register("provide-client-params.s3.ListObjectsV2", note)
    yield seen
    s3.meta.events.unregister("provide-client-params.s3.ListObjectsV2", note)


def test_a_source_knows_what_the_listing_and_its_name_tell(s3, bucket, put):
    name = key(NOW)
    put(name)
    [[source]] = list_sources([f"s3://{bucket}"], client_factory=lambda: s3, now=NOW)
    head = s3.head_object(Bucket=bucket, Key=name)
    assert source.location == f"s3://{bucket}/{name}"
    assert source.identity == name.rpartition("/")[2].removesuffix(".log.gz")
    assert source.etag == head["ETag"].strip('"')
    assert source.size == 1
    assert source.modified == head["LastModified"]
    assert source.key_time == NOW
    assert source.account_id == ACCOUNT
    assert source.region == "eu-west-1"
    assert source.flow_log_id == "fl-0a1"


@pytest.mark.parametrize(
    "name",
    ["a b.log", "a+b.log", "a%20b.log", "ключ.log", "a//b.log",
     "tab\tand\x01control.log", "?q=1&r#f.log", "year=/x.log"],
)  # fmt: skip
@pytest.mark.parametrize("days", [None, 3])
def test_odd_keys_come_as_they_are(listed, put, name, days):
    put("p/" + name)
    assert listed("p/", days=days) == ["p/" + name]
    assert listed("p/" + name) == ["p/" + name]


def test_markers_of_folders_and_tests_of_exports_are_no_logs(listed, put):
    put("p/", "p/q/", "p/aws-logs-write-test", "p/q/README.md", "p/x_$folder$")
    assert listed("p/") == ["p/q/README.md", "p/x_$folder$"]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_recent_folders_are_enough_for_the_last_days(listed, put, calls, shape):
    # 60 days back: other months and, seen from March, the end of a short one.
    recent, old = days_ago(0, 1, 2), days_ago(4, 5, 31, 60, 400)
    put(*(key(time, shape) for time in recent + old))
    for prefix in ("", shape[:3]):
        assert sorted(listed(prefix, days=2)) == sorted(key(t, shape) for t in recent)
    folders = {key(time, shape).rpartition("/")[0] + "/" for time in old}
    assert not any(call.startswith(tuple(folders)) for call in calls)
    assert len(listed()) == 8


TIMES = days_ago(0, 1, 2, 3, 30, 31, 32, 59, 60, 61, 399, 401)
UNDATED = {"AWSLogs/odd.gz", "other/x.gz"}


@pytest.fixture(scope="module")
def shaped(s3):
    """A bucket that holds the same times in each shape."""
    name = f"shaped-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    for folder, shape in SHAPES.items():
        for found in {key(time, shape) for time in TIMES} | UNDATED:
            s3.put_object(Bucket=name, Key=f"{folder}/{found}", Body=b"x")
    return name


class Remembering:
    """Asks of a bucket that does not change each question once."""

    def __init__(self, client):
        self._client = client
        self._answers = {}

    def list_objects_v2(self, **question):
        asked = tuple(question.items())
        if asked not in self._answers:
            self._answers[asked] = self._client.list_objects_v2(**question)
        return self._answers[asked]


@pytest.fixture(scope="module")
def remembering(s3):
    return Remembering(s3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("since", [None, *days_ago(400, 31, 2, 0)])
@pytest.mark.parametrize("until", [None, *days_ago(59, 1), NOW + timedelta(days=9)])
def test_a_window_finds_what_listing_everything_would(
    remembering, shaped, shape, since, until
):
    slack = timedelta(days=1)
    expected = UNDATED | {
        key(time, SHAPES[shape])
        for time in TIMES
        if (since is None or time >= since - slack)
        and (until is None or time < until + slack)
    }
    root = f"s3://{shaped}/{shape}/"
    pages = list_sources(
        [root], client_factory=lambda: remembering, now=NOW, since=since, until=until
    )
    got = [source.location.removeprefix(root) for page in pages for source in page]
    assert sorted(got) == sorted(expected)


def test_a_window_is_open_at_its_end_and_widened_by_slack(listed, put):
    hours = {n: key(NOW + timedelta(hours=n)) for n in range(-3, 4)}
    put(*hours.values())
    got = listed(since=NOW, until=NOW + timedelta(hours=1), slack=timedelta(hours=1))
    assert got == [hours[-1], hours[0], hours[1]]
    assert listed(since=NOW, until=NOW, slack=timedelta(0)) == []


def test_a_window_outranks_the_last_days(listed, put):
    old = key(NOW - timedelta(days=50))
    put(old)
    assert listed(days=3, since=NOW - timedelta(days=60)) == [old]
    assert listed(days=3, until=NOW) == [old]


@pytest.mark.parametrize(
    "tail", ["{t:%Y}/", "{t:%Y}", "{t:%Y/%m}/", "{t:%Y/%m/%d}/", "{t:%Y/%m/%d}/{t:%H}"]
)
def test_a_prefix_may_begin_inside_the_dates(listed, put, tail):
    root = f"AWSLogs/{ACCOUNT}/vpcflowlogs/eu-west-1/"
    yesterday, longer = days_ago(1, 40)
    shape = SHAPES["plain hourly"]
    put(key(yesterday, shape), key(longer, shape))
    prefix = root + tail.format(t=yesterday)
    assert key(yesterday, shape) in listed(prefix, days=3)
    assert listed(prefix, since=yesterday) == [key(yesterday, shape)]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_day_that_is_named_is_listed_however_old(listed, put, shape):
    old = NOW - timedelta(days=500)
    name = key(old, shape)
    put(name)
    day = name[: name.index(f"{old:%d}/") + 3]
    assert listed(day, days=3) == [name]
    assert listed(name, days=3) == [name]


def test_without_dated_folders_all_is_listed(listed, put):
    old = key(NOW - timedelta(days=500), "")
    names = [f"copies/{old}", "copies/2020/01/01/x.gz", "copies/deep/a/b/c/y.gz"]
    put(*names)
    assert sorted(listed(days=3)) == sorted(names)


def test_what_lies_beside_the_dated_folders_is_found(listed, put):
    region = key(NOW).rpartition("/2026/")[0]
    names = [f"{region}/loose.gz", f"{region}/2026/loose.gz", f"{region}/2026/13/x.gz"]
    put(*names, key(NOW))
    assert sorted(listed(days=3)) == sorted([*names, key(NOW)])


def test_another_service_is_not_searched_folder_by_folder(listed, put, calls):
    trail = f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2026/01/05/t.json.gz"
    put(trail, key(NOW))
    assert sorted(listed(days=3)) == sorted([trail, key(NOW)])
    assert [call for call in calls if "CloudTrail" in call] == [
        f"AWSLogs/{ACCOUNT}/CloudTrail/"
    ]


def test_very_many_folders_are_listed_as_one(listed, put, calls, monkeypatch):
    monkeypatch.setattr(bucket_module, "PAGE", 10)
    monkeypatch.setattr(bucket_module, "WIDE", 5)
    names = sorted(f"p/{n}/x.gz" for n in range(25))
    put(*names)
    assert listed("p/", days=3) == names
    assert len(calls) == 4  # one looks, three list


def test_too_many_folders_in_all_are_listed_whole(listed, put, calls, monkeypatch):
    monkeypatch.setattr(bucket_module, "MOST_FOLDERS", 3)
    names = sorted(f"p/{n}/{m}/x.gz" for n in range(4) for m in range(4))
    put(*names)
    assert sorted(listed("p/", days=3)) == names
    # One folder is looked into; the other three are listed.
    assert {call for call in calls if call.count("/") == 3} == {
        f"p/0/{m}/" for m in range(4)
    }


@pytest.mark.parametrize("days", [None, 3])
def test_pages_are_followed_and_kept_lazy(listed, put, calls, days, monkeypatch):
    monkeypatch.setattr(bucket_module, "PAGE", 4)
    names = [f"p/{n:02}.gz" for n in range(10)]
    put(*names)
    assert listed("p/", days=days) == names
    assert len(calls) == 3


def test_a_listing_goes_on_only_as_pages_are_taken(s3, bucket, put, monkeypatch, calls):
    monkeypatch.setattr(bucket_module, "PAGE", 2)
    put(*(f"p/{n}.gz" for n in range(9)))
    pages = list_sources([f"s3://{bucket}/p/"], client_factory=lambda: s3, now=NOW)
    assert len(next(pages)) == 2
    assert len(calls) == 1


def test_a_key_is_listed_alone(listed, put):
    put("p/a", "p/a.bak", "p/a/b")
    assert listed("p/a") == ["p/a"]
    assert listed("p/a", days=3) == ["p/a"]


def test_shards_part_the_objects(listed, put):
    names = {f"p/{n}.gz" for n in range(40)}
    put(*names)
    parts = [set(listed("p/", shard=(part, 3))) for part in range(3)]
    assert set.union(*parts) == names
    assert sum(map(len, parts)) == len(names)
    assert all(parts)
    assert set(listed("p/", shard=(1, 3))) == parts[1]


@pytest.mark.parametrize("days", [None, 3])
def test_what_does_not_exist_is_named(s3, bucket, listed, days):
    with pytest.raises(SourceMissing, match="no/such/prefix"):
        listed("no/such/prefix", days=days)
    with pytest.raises(SourceMissing, match="no-such-bucket"):
        list(
            list_sources(
                ["s3://no-such-bucket/x"],
                client_factory=lambda: s3,
                now=NOW,
                days=days,
            )
        )
    assert listed("", days=days) == []


@pytest.mark.parametrize("place", ["gs://b/x", "http://b/x", "s3:///x", "s3://"])
def test_what_is_no_source_is_a_wrong_use(place):
    with pytest.raises(UsageError, match="s3://bucket/prefix"):
        list(list_sources([place], client_factory=lambda: None, now=NOW))


@pytest.fixture
def remote(s3, scripted):
    """A bucket on a server whose answers the test writes."""
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=scripted.endpoint,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106  # the server checks nothing
        config=Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}
        ),
    )
    waits: list[float] = []
    yield Bucket(client, "b", sleep=waits.append), waits
    client.close()


EMPTY = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


def test_a_listing_is_tried_again(remote, scripted):
    bucket, waits = remote
    cut = Reply(200, EMPTY, cut=20)
    scripted.will(
        failure(503, "SlowDown"), cut, Reply(200, EMPTY[:30]), Reply(200, EMPTY)
    )
    assert list(bucket.below("", None)) == [[]]
    assert len(waits) == 3


def test_keys_that_xml_cannot_hold_are_asked_for_and_read_encoded(remote, scripted):
    found = b"<Contents><Key>a%0Ab+c%2Bd%25</Key></Contents>"
    encoded = b"<EncodingType>url</EncodingType>"
    scripted.will(Reply(200, EMPTY.replace(b"<Is", encoded + found + b"<Is")))
    assert list(remote[0].below("", None)) == [[{"Key": "a\nb c+d%"}]]
    assert "encoding-type=url" in scripted.requests[0]["path"]


def test_a_store_that_stays_down_is_unavailable(remote, scripted):
    with pytest.raises(SourceUnavailable, match="s3://b/x"):
        list(remote[0].below("x", None))
    assert len(scripted.requests) == 6


@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>"])
def test_an_answer_that_is_no_listing_is_not_an_empty_one(remote, scripted, body):
    scripted.will(*[Reply(200, body)] * 6)
    with pytest.raises(SourceUnavailable, match="not a listing"):
        list(remote[0].below("x", None))


def test_a_refused_listing_is_named_at_once(remote, scripted):
    scripted.will(failure(403, "AccessDenied"))
    with pytest.raises(SourceDenied, match="s3://b/x"):
        list(remote[0].below("x", None))
    assert len(scripted.requests) == 1


def local(*places, **options):
    pages = list_sources(
        list(map(str, places)), client_factory=lambda: None, now=NOW, **options
    )
    return [source for page in pages for source in page]


def test_a_directory_is_walked_in_order(tmp_path):
    names = ["b/2.log", "a.log", "b/1.log", "b/c/3.log", "ü d/+%.log"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "b/aws-logs-write-test").touch()
    expected = [str(tmp_path / name) for name in sorted(names)]
    assert [source.location for source in local(tmp_path)] == expected
    assert [s.location for s in local(tmp_path.as_uri())] == expected


def test_a_file_is_known_by_place_and_content(tmp_path, monkeypatch):
    path = tmp_path / "x.log"
    path.write_text("one")
    monkeypatch.chdir(tmp_path)
    [one], [same] = local("x.log"), local(path)
    path.write_text("two")
    [two] = local(path)
    assert one == same
    assert one.location == str(path)
    assert one.size == 3
    assert one.identity != two.identity
    assert one.etag != two.etag


def test_an_old_local_file_is_listed_whatever_the_last_days(tmp_path):
    path = tmp_path / key(NOW - timedelta(days=400))
    path.parent.mkdir(parents=True)
    path.touch()
    assert [source.location for source in local(tmp_path, days=3)] == [str(path)]
    assert local(tmp_path, since=NOW) == []


def test_many_files_come_in_pages(tmp_path):
    for number in range(1001):
        (tmp_path / str(number)).touch()
    pages = list(list_sources([str(tmp_path)], client_factory=lambda: None, now=NOW))
    assert [len(page) for page in pages] == [1000, 1]


def test_a_link_to_a_directory_above_is_not_followed(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x.log").touch()
    (tmp_path / "d/up").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert [source.location for source in local(tmp_path)] == [
        str(tmp_path / "d/x.log")
    ]


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(SourceMissing, match="nowhere"):
        local(tmp_path / "nowhere")


def test_what_is_neither_file_nor_directory_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert local(tmp_path) == []
    with pytest.raises(SourceDenied, match="pipe"):
        local(tmp_path / "pipe")


def test_a_name_that_is_not_utf8_is_listed_spelled_out(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.log", "wb"):  # noqa: PTH123  # bytes
        pass
    [source] = local(tmp_path)
    assert source.location.endswith(r"/\xff.log")
    assert source.location.encode()


def test_a_directory_that_may_not_be_read_does_not_stop_the_others(
    tmp_path, monkeypatch
):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.log").touch()
    real = os.scandir

    def refuse(path):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    pages = list_sources([str(tmp_path)], client_factory=lambda: None, now=NOW)
    assert [source.location for source in next(pages)] == [str(tmp_path / "b/x.log")]
    with pytest.raises(SourceDenied, match="/a"):
        next(pages)
