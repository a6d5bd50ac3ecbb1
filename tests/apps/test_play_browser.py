"""The page in a browser: it plays a wish, switches between base and adapter, and says what is wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from disco.apps import play
from disco.apps.play_making import Maker
from disco.apps.play_stage import Stage
from tests.browser import Tab, browse, find_chromium

pytest.importorskip("fastapi")
pytest.importorskip("aiohttp")
uvicorn = pytest.importorskip("uvicorn")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium")]

SET = "(name, value) => { const one = document.getElementById(name); one.value = value; }"
SWITCH = """(async () => {
  const audios = [...document.querySelectorAll("audio")];
  await Promise.all(audios.map((one) => one.readyState ? 0 : new Promise((done) => {
    one.onloadedmetadata = done; one.onerror = done; })));
  const [base, other] = document.querySelectorAll(".switch button");
  base.click();
  await new Promise((done) => { audios[0].ontimeupdate = () => audios[0].currentTime > 0.2 && done(); });
  const at = audios[0].currentTime;
  other.click();
  await new Promise((done) => setTimeout(done, 50));
  return { seconds: audios.map((one) => one.duration), wrong: audios.map((one) => one.error?.code ?? null),
    at, then: audios[1].currentTime, paused: audios.map((one) => one.paused),
    pressed: [base, other].map((one) => one.getAttribute("aria-pressed")) };
})()"""


@pytest.fixture
def address(lora_run: Path, composed, tmp_path: Path) -> Iterator[str]:
    from disco.apps.play_server import create_app

    stage = Stage(str(lora_run), "cpu")
    maker = Maker(stage, tmp_path, most_seconds=5.0)
    shown = play.controls(stage, composed("play", "run=somewhere"))
    app = create_app(maker, shown, hosts=play.hosts("127.0.0.1", []), folder=tmp_path / "sounds")
    door = play.listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    running = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    running.start()
    yield f"http://127.0.0.1:{door.getsockname()[1]}/"
    server.should_exit = True
    running.join()


async def played(tab: Tab) -> None:
    for name, value in (("seconds", "2"), ("top_k", "8"), ("seed", "5")):
        await tab.run(f"({SET})('{name}', '{value}')")
    await tab.run("document.getElementById('make').click()")
    await tab.until("document.querySelectorAll('.result audio').length === 2")


def test_a_wish_is_played_heard_and_switched_in_place(address: str, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        await played(tab)
        found = await tab.run(SWITCH)
        assert found["wrong"] == [None, None]
        assert found["seconds"] == pytest.approx([2.0, 2.0], abs=0.01)
        assert found["paused"] == [True, False]
        assert found["pressed"] == ["false", "true"]
        assert 0 <= found["then"] - found["at"] < 0.2, "it goes on where the other was"
        assert await tab.run("document.querySelectorAll('.picture img').length") == 2
        assert "scripts/generate.py" in await tab.run("document.querySelector('pre').textContent")
        for width in (1200, 420):
            await tab.look(width, 900)
            assert await tab.run("document.documentElement.scrollWidth <= innerWidth"), width
        await tab.run(f"({SET})('seconds', '0')")
        await tab.run("document.getElementById('make').click()")
        told = await tab.until("document.getElementById('wrong').textContent")
        assert told == "seconds=0: it must be above 0; give seconds=…"
        assert await tab.run("document.querySelectorAll('.result').length") == 1
        assert not [one for one in tab.complaints if "422" not in one], "what is refused is no failure"
        elsewhere = [one for one in tab.asked if not one.startswith((address, "data:", "about:"))]
        assert not elsewhere

    asyncio.run(browse(address, tmp_path / "browser", work))
