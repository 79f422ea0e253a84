"""Which permissions an AWS call takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from evergreen_emulator.policies import Need, UnknownError

_WRITES = {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
_TAKE_MORE = {
    *("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP", "Tagging"),
    *("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus", "SSEKMSKeyId"),
    *("BypassGovernanceRetention", "SourceBucket"),
}
"""Parameters of S3's calls for which there are permissions of their own."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as it was parsed."""

    service: str
    """By its name in boto3."""
    operation: str
    parameters: Mapping[str, Any]
    partition: str
    region: str
    account: str

    @property
    def needs(self) -> list[Need]:
        """All the permissions that it takes; raises UnknownError."""
        match self.service, self.operation:
            case "s3", _:
                return list(self._of_s3())
            case "firehose", "PutRecord" | "PutRecordBatch":
                stream = f"deliverystream/{self.parameters['DeliveryStreamName']}"
                return [Need(f"firehose:{self.operation}", self._arn("firehose", stream))]
            case "events", "PutEvents":
                entries = self.parameters["Entries"]
                buses = {entry.get("EventBusName", "default") for entry in entries}
                return [Need("events:PutEvents", self._bus(bus)) for bus in sorted(buses)]
            case "stepfunctions", "StartExecution":
                return [Need("states:StartExecution", self.parameters["stateMachineArn"])]
            case "sts", "GetCallerIdentity":
                return []
        raise UnknownError(f"the permissions that {self.service}:{self.operation} takes")

    @property
    def tells_what_is_missing(self) -> list[Need]:
        """What it takes to be told that an object is not there, and not that it is forbidden."""
        if self.service == "s3" and self.operation in ("GetObject", "HeadObject"):
            return [Need("s3:ListBucket", self._bucket(self.parameters["Bucket"]))]
        if self.service == "s3" and self.operation == "UploadPartCopy":
            return [Need("s3:ListBucket", self._bucket(self._source[0]))]
        return []

    def _of_s3(self) -> Iterator[Need]:
        parameters = self.parameters
        if more := _TAKE_MORE & parameters.keys():
            raise UnknownError(f"the permissions that {', '.join(sorted(more))} takes")
        bucket, key = self._bucket(parameters["Bucket"]), parameters.get("Key")
        match self.operation:
            case "ListObjects" | "ListObjectsV2":
                prefix = {"s3:prefix": parameters["Prefix"]} if "Prefix" in parameters else {}
                yield Need("s3:ListBucket", bucket, prefix)
            case "GetObject" | "HeadObject":
                yield _read(f"{bucket}/{key}", parameters.get("VersionId"))
            case operation if operation in _WRITES:
                yield Need("s3:PutObject", f"{bucket}/{key}")
            case "UploadPartCopy":
                yield Need("s3:PutObject", f"{bucket}/{key}")
                source, copied, version = self._source
                yield _read(f"{self._bucket(source)}/{copied}", version)
            case "AbortMultipartUpload":
                yield Need("s3:AbortMultipartUpload", f"{bucket}/{key}")
            case "DeleteObject":
                of = "Version" if "VersionId" in parameters else ""
                yield Need(f"s3:DeleteObject{of}", f"{bucket}/{key}")
            case operation:
                raise UnknownError(f"the permissions that s3:{operation} takes")
        if self.operation not in ("GetObject", "HeadObject") and _tells(parameters.get("IfMatch")):
            yield Need("s3:GetObject", f"{bucket}/{key}")

    @property
    def _source(self) -> tuple[str, str, str | None]:
        path, _, query = self.parameters["CopySource"].partition("?")
        bucket, _, key = unquote(path.replace("+", " ")).lstrip("/").partition("/")
        return bucket, key, parse_qs(query).get("versionId", [None])[0]

    def _bucket(self, name: str) -> str:
        return f"arn:{self.partition}:s3:::{name}"

    def _bus(self, name: str) -> str:
        return name if name.startswith("arn:") else self._arn("events", f"event-bus/{name}")

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def _read(resource: str, version: str | None) -> Need:
    return Need("s3:GetObjectVersion" if version else "s3:GetObject", resource)


def _tells(etag: str | None) -> bool:
    """Whether a condition tells something of the content: who sets it must be allowed to read."""
    return etag not in (None, "*")
