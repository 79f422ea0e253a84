"""What becomes of an upload: scored at once or in parts, explained, left as it is, or waiting."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from evergreen.customers import files
from evergreen.customers.files import Kind
from evergreen.errors import InputError, NoModelError, NotFoundError, SupersededError
from evergreen.jobs.files.claim import Claim
from evergreen.jobs.files.parts import PartScoring
from evergreen.jobs.files.scoring import Scoring
from evergreen.jobs.files.summary import Summary
from evergreen.jobs.files.upload import Upload
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.s3 import Bucket

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Uploads:
    """All that is put under `incoming/`."""

    data: Bucket
    model: Callable[[], Model]
    """Returns the champion; raises NoModelError."""
    now: Callable[[], datetime]
    whole: Scoring
    in_parts: PartScoring | None
    """None where there is no machine that runs parts side by side."""

    def score(self, key: str, seconds_left: Callable[[], float]) -> Summary | None:
        """Score the newest upload of a name.

        One that was scored already is left as it is. Before there is a model, it waits.

        Args:
            key: of the upload.
            seconds_left: how long it may take.

        Returns:
            What became of it; None where it is gone, or no more than the name of a folder.

        """
        try:
            upload = Upload.find(self.data, key)
        except NotFoundError:
            logger.info("%s is gone", key)
            return None
        if key.endswith("/") and not upload.size:
            return None
        kind = files.kind(key)
        try:
            return self._score(upload, kind, seconds_left) if kind else self._explain(upload)
        except SupersededError as error:
            logger.info("%s", error)
            return Summary(key, upload.version, status="superseded", error=str(error))

    def wake(self, score: Callable[[str], object]) -> int:
        """Let the uploads be scored that have waited for a model; return how many there are.

        Args:
            score: sees to it that the upload of a key is scored.

        """
        waiting = list(self.data.list(keys.WAITING))
        for entry in waiting:
            score(json.loads(self.data.get(entry.key)[0])["key"])
            self.data.delete(entry.key)
        return len(waiting)

    def _score(self, upload: Upload, kind: Kind, seconds_left: Callable[[], float]) -> Summary:
        done = self._done(upload)
        if done and done.final:
            return done
        try:
            model = self.model()
        except NoModelError:
            waiting = self._wait(upload)
            try:  # one may have been promoted before anybody could know who waits
                model = self.model()
            except NoModelError:
                return waiting
        claim = Claim.make(self.data, upload, self.now())
        parts = self.in_parts
        if parts and upload.size > parts.part_bytes and not kind.json and not kind.gzipped:
            try:
                if parts.begin(upload, model, claim):
                    return Summary(upload.key, upload.version, model.version, status="in parts")
            except InputError as error:
                logger.info("it can't be cut: %s", error)  # who reads it whole will say why
        return self.whole.run(upload, kind, model, claim, seconds_left)

    def _done(self, upload: Upload) -> Summary | None:
        """Return the summary of this very upload, if there is one."""
        try:
            summary = Summary.parse(self.data.get(keys.score_summary(upload.key))[0])
        except (NotFoundError, ValueError):
            return None
        return summary if summary.upload == upload.version else None

    def _explain(self, upload: Upload) -> Summary:
        """Say why a file is not even tried."""
        reason = files.refusal(upload.key)
        key = keys.explained(upload.key)
        self.data.put(key, f"{reason}\n".encode(), "text/plain; charset=utf-8")
        return Summary(upload.key, upload.version, status="refused", error=reason)

    def _wait(self, upload: Upload) -> Summary:
        """Note for `wake`, and tell, that an upload waits."""
        reason = "it waits for the first model: none was trained and promoted yet"
        waiting = Summary(upload.key, upload.version, status="waiting", error=reason)
        self.data.put(keys.score_waiting(upload.id), json.dumps({"key": upload.key}).encode())
        upload.publish_text(self.data, keys.score_summary(upload.key), waiting.to_bytes())
        return waiting
