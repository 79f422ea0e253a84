"""A headless browser without a driver: Chromium's DevTools protocol over two pipes."""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=shell",
    "--no-sandbox",  # it shows pages of ours only, and root has no other way
    "--no-zygote",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
_SECONDS = 30


class Browser:
    """One page of a browser that runs."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._buffer, self._last = b"", 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call the protocol; what happens meanwhile is kept in `events`."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._last:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Show a file in a window of such a size, and wait until it is there."""
        self.prefer(dark=dark)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def prefer(self, *, dark: bool, media: str = "") -> None:
        """Let the reader prefer dark pages or light ones, on the screen or in "print"."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self) -> bytes:
        """Return the whole page as a PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """Print the page."""
        printed = self.call("Page.printToPDF", printBackground=True)
        return base64.b64decode(printed["data"])

    @property
    def requested(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What the console holds."""
        said = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event["params"] for event in self.events if event["method"] in said]

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _SECONDS
        while b"\0" not in self._buffer:
            assert select.select([self._read], [], [], deadline - time.monotonic())[0], "no answer"
            more = os.read(self._read, 1 << 20)
            assert more, "the browser has ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def started(folder: Path, profile: Path) -> Iterator[Browser]:
    """Run the browser that is unpacked in a folder; its profile is a folder that it may fill."""
    theirs, ours = os.pipe(), os.pipe()
    # high numbers: as 3 and 4 they must not be in each other's way
    reads = fcntl.fcntl(theirs[0], fcntl.F_DUPFD, 20)
    writes = fcntl.fcntl(ours[1], fcntl.F_DUPFD, 20)
    command = [folder / "chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    libraries = [str(folder / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    with (profile.parent / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{reads} 4>&{writes}', "bash", *command],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(profile),
                "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
                "FONTCONFIG_FILE": str(folder / "fonts.conf"),
            },
            pass_fds=(reads, writes),
            stdout=log,
            stderr=log,
        )
    for end in (reads, writes, theirs[0], ours[1]):
        os.close(end)
    try:
        yield Browser(theirs[1], ours[0])
    finally:
        process.kill()
        process.wait()
        os.close(theirs[1])
        os.close(ours[0])
