"""A headless Chromium, spoken to through a pipe: what a page loads, says and looks
like. Only the standard library."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",  # root has none, as in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_chromium() -> str | None:
    """Where a Chromium is, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


class Chromium:
    """A browser with one page open.

        with Chromium(folder, width=1200, height=900) as browser:
            browser.open(path)
            browser.requests, browser.complaints, browser.screenshot()

    It speaks the DevTools protocol, messages of JSON that end with a zero byte.
    """

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self.requests: list[str] = []  # addresses that the page has asked for
        self.complaints: list[str] = []  # errors and warnings on the console
        self._numbers = itertools.count(1)
        self._unread = b""
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()

        def hand_over() -> None:  # it reads from 3 and writes to 4
            read, write = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [
                find_chromium(),
                *FLAGS,
                f"--user-data-dir={folder}",
                f"--window-size={width},{height}",
            ],
            pass_fds=(3, 4),
            preexec_fn=hand_over,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._session: str | None = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._to)
        os.close(self._from)

    def open(self, path: Path) -> None:
        """Goes to a file, and waits until everything in it is loaded."""
        self.requests.clear()
        self.ask("Page.navigate", url=path.as_uri())
        self._until(lambda event: event.get("method") == "Page.loadEventFired")

    def run(self, script: str):
        """The value of a JavaScript expression in the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        return answer["result"].get("value")

    def screenshot(self, whole: bool = False) -> bytes:
        """What is to be seen, as a .png; `whole`: of the page, not the window."""
        answer = self.ask(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole
        )
        return base64.b64decode(answer["data"])

    # ---- the protocol ----------------------------------------------------------------

    def ask(self, method: str, **parameters) -> dict:
        """The result of a command."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda event: event.get("id") == number)
        assert "error" not in answer, answer
        return answer["result"]

    def _until(self, wanted, seconds: float = 60.0) -> dict:
        """The first message that is wanted; others are looked at on the way."""
        end = time.monotonic() + seconds
        while True:
            while b"\0" not in self._unread:
                left = end - time.monotonic()
                ready, _, _ = select.select([self._from], [], [], max(0.0, left))
                assert ready, "the browser does not answer"
                part = os.read(self._from, 1 << 20)
                assert part, "the browser has ended"
                self._unread += part
            message, self._unread = self._unread.split(b"\0", 1)
            event = json.loads(message)
            self._note(event)
            if wanted(event):
                return event

    def _note(self, event: dict) -> None:
        method, what = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"][:200])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(what)[:500])
        elif method == "Log.entryAdded" and what["entry"]["level"] != "verbose":
            self.complaints.append(what["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(what["args"])[:500])
