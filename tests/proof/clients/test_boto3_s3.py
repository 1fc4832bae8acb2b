"""boto3 on the staging bucket."""

import hashlib
import io
import os

import boto3
import cluster
import pytest
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from claims import claim, refusal

CLIENT = "boto3"
BUCKET = cluster.BUCKET


@pytest.fixture(scope="module")
def s3():
    return boto3.client("s3")


def refuses(code, call):
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code
    return error.value.response["Error"]["Message"]


@claim("an object is written, read, headed and deleted, with its ETag and type", call="PutObject, GetObject, HeadObject, "
       "DeleteObject", engine="files")
def test_objects(s3, unique):
    key = f"{unique}/a b+ü.txt"
    put = s3.put_object(Bucket=BUCKET, Key=key, Body=b"content", ContentType="text/plain")
    got = s3.get_object(Bucket=BUCKET, Key=key)
    assert got["Body"].read() == b"content"
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(b"content").hexdigest()}"'
    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert head["ContentLength"] == 7
    s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket=BUCKET, Key=key)
    assert error.value.response["Error"]["Code"] == "404"


@claim("a part of an object is read by range, from the front and from the end", call="GetObject Range", engine="files")
def test_ranges(s3, unique):
    s3.put_object(Bucket=BUCKET, Key=unique, Body=b"0123456789")
    part = s3.get_object(Bucket=BUCKET, Key=unique, Range="bytes=2-4")
    assert (part["Body"].read(), part["ContentRange"]) == (b"234", "bytes 2-4/10")
    assert s3.get_object(Bucket=BUCKET, Key=unique, Range="bytes=-3")["Body"].read() == b"789"


@claim("a large file goes up in parts and comes down in ranges, byte for byte",
       call="CreateMultipartUpload, UploadPart, CompleteMultipartUpload", engine="files")
def test_multipart(s3, unique):
    content = os.urandom(12 << 20)
    settings = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_fileobj(io.BytesIO(content), BUCKET, unique, Config=settings)
    assert s3.head_object(Bucket=BUCKET, Key=unique)["ETag"].endswith('-3"')
    back = io.BytesIO()
    s3.download_fileobj(BUCKET, unique, back, Config=settings)
    assert hashlib.sha256(back.getvalue()).digest() == hashlib.sha256(content).digest()


@claim("an upload that is given up leaves nothing", call="AbortMultipartUpload", engine="files")
def test_abort(s3, unique):
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=unique)["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key=unique, UploadId=upload, PartNumber=1, Body=b"x" * 10)
    s3.abort_multipart_upload(Bucket=BUCKET, Key=unique, UploadId=upload)
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=unique)["KeyCount"] == 0
    call = lambda: s3.complete_multipart_upload(  # noqa: E731
        Bucket=BUCKET, Key=unique, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]})
    refuses("NoSuchUpload", call)


@claim("keys are listed by prefix, by folder and page by page", call="ListObjectsV2", engine="files")
def test_list(s3, unique):
    keys = [f"{unique}/{name}" for name in ("a", "b/1", "b/2", "c")]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{unique}/", Delimiter="/")
    assert [entry["Key"] for entry in listed["Contents"]] == [keys[0], keys[3]]
    assert [entry["Prefix"] for entry in listed["CommonPrefixes"]] == [f"{unique}/b/"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{unique}/", PaginationConfig={"PageSize": 3})
    assert [[entry["Key"] for entry in page["Contents"]] for page in pages] == [keys[:3], keys[3:]]


@claim("an object is copied on the server", call="CopyObject", engine="files")
def test_copy(s3, unique):
    s3.put_object(Bucket=BUCKET, Key=unique, Body=b"content")
    s3.copy_object(Bucket=BUCKET, Key=f"{unique}.copy", CopySource={"Bucket": BUCKET, "Key": unique})
    assert s3.get_object(Bucket=BUCKET, Key=f"{unique}.copy")["Body"].read() == b"content"


@claim("many objects are deleted in one call", call="DeleteObjects", engine="files")
def test_delete_many(s3, unique):
    keys = [f"{unique}/{n}" for n in range(5)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    done = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys[:4]]})
    assert sorted(entry["Key"] for entry in done["Deleted"]) == keys[:4]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=unique)["Contents"]] == keys[4:]


@pytest.mark.parametrize("version", [None, "s3v4"])
@claim("a presigned address reads and writes without keys, by either version of the signature: boto3 makes the older one "
       "unless told otherwise", call="presigned GET and PUT", engine="files")
def test_presigned(unique, version):
    s3, http = boto3.client("s3", config=Config(signature_version=version)), urllib3.PoolManager()
    put = s3.generate_presigned_url("put_object", Params=dict(Bucket=BUCKET, Key=unique), ExpiresIn=3600)
    assert ("X-Amz-Signature" in put) == (version == "s3v4")
    assert http.request("PUT", put, body=b"signed").status == 200
    get = s3.generate_presigned_url("get_object", Params=dict(Bucket=BUCKET, Key=unique), ExpiresIn=3600)
    assert http.request("GET", get).data == b"signed"
    # What was signed is one object and one method, until a certain time.
    for changed in (get.replace(unique, "other"), get[:-1] + ("0" if get[-1] != "0" else "1")):
        assert http.request("GET", changed).status == 403
    assert http.request("DELETE", get).status == 403


@claim("an object is written only where none is", call="PutObject If-None-Match", engine="files")
def test_if_none_match(s3, unique):
    s3.put_object(Bucket=BUCKET, Key=unique, Body=b"first", IfNoneMatch="*")
    refuses("PreconditionFailed", lambda: s3.put_object(Bucket=BUCKET, Key=unique, Body=b"second", IfNoneMatch="*"))
    assert s3.get_object(Bucket=BUCKET, Key=unique)["Body"].read() == b"first"


@claim("a checksum that is wrong is refused, one that is right is kept", call="PutObject x-amz-checksum-sha256",
       engine="files")
def test_checksum(s3, unique):
    import base64

    right = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    s3.put_object(Bucket=BUCKET, Key=unique, Body=b"content", ChecksumSHA256=right)
    with pytest.raises(ClientError):
        s3.put_object(Bucket=BUCKET, Key=unique, Body=b"content", ChecksumSHA256=wrong)


@refusal("a key that is not there", call="GetObject", message="The specified key does not exist.")
def test_no_such_key(s3, unique, refused):
    assert refuses("NoSuchKey", lambda: s3.get_object(Bucket=BUCKET, Key=unique)) == refused


@refusal("a bucket that is not there", call="GetObject", message="The specified bucket does not exist")
def test_no_such_bucket(s3, refused):
    assert refuses("NoSuchBucket", lambda: s3.get_object(Bucket="nowhere-here", Key="x")) == refused


@refusal("keys that are not the sandbox's", call="SigV4",
         message="The AWS Access Key Id you provided does not exist in our records.")
def test_wrong_keys(refused):
    s3 = boto3.client("s3", aws_access_key_id="AKIAWRONG", aws_secret_access_key="wrong")
    assert refuses("InvalidAccessKeyId", lambda: s3.list_objects_v2(Bucket=BUCKET)) == refused
