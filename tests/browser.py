"""A headless Chromium, driven over its debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

START = 60.0  # s: how long a browser may take to begin


def find_chromium() -> str | None:
    """Return the browser's program, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Tab:
    """One page, and what it has said and asked for."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.count = 0
        self.complaints: list[str] = []
        self.asked: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        """Return the answer to a command of the protocol."""
        self.count += 1
        await self.socket.send_json({"id": self.count, "method": method, "params": parameters})
        while True:
            told = json.loads((await self.socket.receive()).data)
            if told.get("id") == self.count:
                assert "error" not in told, told
                return told["result"]
            self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        method, values = told.get("method"), told.get("params", {})
        if method == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.complaints.append(values["entry"]["text"])
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(values["exceptionDetails"]))
        if method == "Network.requestWillBeSent":
            self.asked.append(values["request"]["url"])

    async def run(self, script: str) -> Any:
        """Return what a script returns, or what it promises."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, script: str, seconds: float = 60.0) -> Any:
        """Wait until a script returns what counts as true, and return it."""
        end = time.monotonic() + seconds
        while not (found := await self.run(script)):
            assert time.monotonic() < end, f"this never came: {script}"
            await asyncio.sleep(0.1)
        return found

    async def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Take on a size and a colour scheme."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


async def browse(address: str, folder: Path, work: Any) -> None:
    """Open a page in a browser of its own and do something with it.

    Args:
        folder: for what the browser keeps.
        work: takes a `Tab`.
    """
    import aiohttp

    program = find_chromium()
    assert program, "asked only where there is one"
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--remote-debugging-port=0",
        f"--user-data-dir={folder}", "--window-size=1200,900",
    ]  # fmt: skip
    browser = subprocess.Popen([program, *flags, "about:blank"], stderr=subprocess.DEVNULL)
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            tabs = await (await session.get(f"http://127.0.0.1:{port}/json")).json()
            place = next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"]
            async with session.ws_connect(place, max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await tab.call(f"{domain}.enable")
                await tab.call("Page.navigate", url=address)
                await tab.until("document.readyState === 'complete' && location.href !== 'about:blank'")
                await work(tab)
    finally:
        browser.terminate()
        browser.wait(timeout=30)


async def _port(file: Path) -> str:
    end = time.monotonic() + START
    while not (file.is_file() and file.read_text().strip()):
        assert time.monotonic() < end, "the browser did not begin"
        await asyncio.sleep(0.1)
    return file.read_text().split()[0]
