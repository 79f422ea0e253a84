"""An object of many parts, written side by side: all of it or nothing."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evergreen.store.ranges import Range
from evergreen.store.refusals import FAULTS, explained, unchanged

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 64
"""So many parts are under way where S3 copies them, and fewer where they are held in memory."""

type Content = Range | Callable[[], bytes]
"""Of one part: what S3 is to copy, or what makes it."""


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """One multipart upload, made and ended by `write`."""

    s3: "S3Client"
    bucket: str
    key: str
    id: str

    @classmethod
    def write(
        cls,
        s3: "S3Client",
        bucket: str,
        key: str,
        contents: Iterable[Content],
        described: Any,
        condition: Any,
        threads: int,
    ) -> str:
        """Write an object, some parts at once, and return its ETag; on failure nothing is left.

        Args:
            s3: the client.
            bucket: where the object is.
            key: of the object.
            contents: of its parts, in order.
            described: what S3 is told of the object.
            condition: what it demands of the object that is there; nothing if empty.
            threads: so many parts are under way.

        Raises:
            ConflictError: the condition does not hold, or what was to be copied has changed.

        """
        with explained(bucket, key):
            begun = s3.create_multipart_upload(Bucket=bucket, Key=key, **described)
        upload = cls(s3, bucket, key, begun["UploadId"])
        try:
            return upload._complete(upload._parts(contents, threads), condition)
        except BaseException:
            with suppress(*FAULTS):
                s3.abort_multipart_upload(**upload._named)
            raise

    @property
    def _named(self) -> Any:
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": self.id}

    def _parts(self, contents: Iterable[Content], threads: int) -> Any:
        with ThreadPoolExecutor(threads) as pool:
            started = [pool.submit(self._part, *each) for each in enumerate(contents, start=1)]
            try:
                return [part.result() for part in started]
            finally:  # where one failed, those that have not begun need not begin
                pool.shutdown(wait=False, cancel_futures=True)

    def _part(self, number: int, content: Content) -> dict[str, Any]:
        if isinstance(content, Range):
            answer = self._copy(number, content)
        else:
            answer = self.s3.upload_part(**self._named, PartNumber=number, Body=content())
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _copy(self, number: int, content: Range) -> Any:
        piece = content.piece
        some: Any = {"CopySourceRange": f"bytes={content.start}-{content.end - 1}"}
        with explained(self.bucket, piece.key):
            answer = self.s3.upload_part_copy(
                **self._named,
                PartNumber=number,
                CopySource={"Bucket": self.bucket, "Key": piece.key},
                CopySourceIfMatch=piece.etag,
                **({} if content.whole else some),
            )
        return answer["CopyPartResult"]

    def _complete(self, parts: Any, condition: Any) -> str:
        with unchanged(self.bucket, self.key):
            answer = self.s3.complete_multipart_upload(
                **self._named, MultipartUpload={"Parts": parts}, **condition
            )
        return answer["ETag"]
