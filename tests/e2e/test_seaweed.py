"""The S3 server of the tests keeps S3's promises that the lake relies on."""

import uuid

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from pyiceberg.catalog import load_catalog

from tests.servers import s3_client

pytestmark = pytest.mark.s3


@pytest.fixture
def client(seaweed):
    client = s3_client(seaweed)
    yield client
    client.close()


def status(refused):
    return refused.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_wrong_secret_is_refused(seaweed):
    stranger = s3_client(seaweed, aws_secret_access_key=uuid.uuid4().hex)
    with pytest.raises(ClientError) as refused:
        stranger.list_objects_v2(Bucket=seaweed.bucket)
    stranger.close()
    assert status(refused) == 403


def test_an_object_is_created_only_once(seaweed, client):
    key = uuid.uuid4().hex
    client.put_object(Bucket=seaweed.bucket, Key=key, Body=b"one", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=seaweed.bucket, Key=key, Body=b"two", IfNoneMatch="*")
    assert status(refused) == 412
    assert client.get_object(Bucket=seaweed.bucket, Key=key)["Body"].read() == b"one"


def test_a_rewritten_object_is_not_read_by_its_old_etag(seaweed, client):
    key = uuid.uuid4().hex
    old = client.put_object(Bucket=seaweed.bucket, Key=key, Body=b"one")["ETag"]
    client.put_object(Bucket=seaweed.bucket, Key=key, Body=b"two")
    with pytest.raises(ClientError) as refused:
        client.get_object(Bucket=seaweed.bucket, Key=key, IfMatch=old)
    assert status(refused) == 412


def test_the_catalog_takes_a_table_and_its_rows(seaweed):
    rows = pa.table({"n": pa.array([1, 2, 3], pa.int64())})
    with load_catalog("seaweed", **seaweed.catalog) as catalog:
        namespace = f"ns_{uuid.uuid4().hex[:8]}"
        catalog.create_namespace(namespace)
        table = catalog.create_table((namespace, "numbers"), rows.schema)
        table.append(rows)
        loaded = catalog.load_table((namespace, "numbers"))
        assert loaded.scan().to_arrow()["n"].to_pylist() == [1, 2, 3]
