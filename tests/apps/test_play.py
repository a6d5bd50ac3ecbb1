"""What is set on the page is what a command line asks for, and sounds the same to the byte."""

from __future__ import annotations

import html
import json
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from disco.apps import generate, play
from disco.apps.generate_words import plainly
from disco.apps.play_guard import Guard
from disco.apps.play_making import Maker
from disco.apps.play_sounds import Sounds
from disco.apps.play_stage import Stage
from disco.apps.play_wish import Wish, command
from disco.audio.clip import Clip
from disco.audio.io import read_clip, write_clip
from disco.errors import DiscoError
from disco.midi.score import NoteTable, score_from_notes, write_score
from disco.report.play import render_controls, script, style

TAGS = ["rhythm", "instrument"]
ASKED = {
    "prompt": "",
    "seconds": "1",
    "seed": "7",
    "temperature": "1.2",
    "top_k": "8",
    "tag.rhythm": "slip jig",
    "metre": "9/8",
}


@pytest.fixture(scope="module")
def stage(lora_run: Path) -> Stage:
    return Stage(str(lora_run), "cpu")


@pytest.fixture
def maker(stage: Stage, tmp_path: Path) -> Maker:
    return Maker(stage, tmp_path, most_seconds=5.0)


def lines(maker: Maker, asked: dict[str, Any], sound: Path | None = None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in maker.make(asked, sound)]


def test_what_is_usual_is_not_said_and_what_is_said_is_quoted() -> None:
    assert Wish({"seconds": "8", "seed": "0", "prompt": ""}, TAGS).words(None) == ["count=1", "seed=0"]
    words = Wish({**ASKED, "prompt": "slow, sad: a 'lament'"}, TAGS).words("sounds/a b.wav")
    assert "prompt=slow, sad: a 'lament'" in words
    assert "tags.rhythm=slip jig" in words
    assert {"seconds=1", "seed=7", "sampler.temperature=1.2", "sampler.top_k=8", "metre=9/8"} < {*words}
    assert shlex.split(command(words)) == ["python", "scripts/generate.py", *words]


@pytest.mark.parametrize(
    "prompt",
    [
        "null",
        "'a'",
        '"a", "b"',
        "${oc.env:HOME}",
        "\\${now:}",
        "a\\",
        "-m",
        "~prompt",
        "x=1",
        "{a: 1}",
        "$HOME",
    ],
)
def test_a_prompt_is_what_stands_on_the_page_whatever_it_holds(composed, prompt: str) -> None:
    words = Wish({"prompt": prompt}, TAGS).words(None)
    cfg = composed("generate", "run=somewhere", *plainly(words))
    assert cfg.prompt == prompt
    cfg = composed("generate", "run=somewhere", *plainly(Wish({"tag.rhythm": prompt}, TAGS).words(None)))
    assert cfg.tags.rhythm == prompt


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"seconds": "long"}, "seconds: 'long' is no number"),
        ({"run": "elsewhere"}, "the page has no 'run'"),
        ({"tag.__class__": "x"}, "the page has no 'tag.__class__'"),
        ({"prompt": 3}, "the page sends no text as 'prompt'"),
        ({"prompt": "a" * 30_000}, "prompt has 30,000 characters"),
        ({"strength": "-1"}, "strength=-1: it must be 0 or more"),
        ({"sound": "abc", "use": "run"}, "what the sound is for"),
    ],
)
def test_what_is_not_on_the_page_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(DiscoError, match=says):
        Wish(asked, TAGS).words(None)


def test_a_metre_meets_no_grammar() -> None:
    with pytest.raises(DiscoError, match="this is no metre"):
        Wish({"metre": "4/4,hydra.run.dir=x"}, TAGS).words(None)


@pytest.mark.slow
@pytest.mark.parametrize("strength", ["1", "0.5"])
def test_the_command_under_a_sound_makes_the_same_bytes(
    maker: Maker, composed, tmp_path: Path, strength: str
) -> None:
    told = lines(maker, {**ASKED, "strength": strength, "compare": True}, None)
    assert [line["share"] for line in told[:-1]] == sorted(line["share"] for line in told[:-1])
    assert "× real time" in told[-2]["text"]
    page = told[-1]["html"]
    assert [path.parent.name for path in maker.sounds.values()] == ["0", "1"]
    waves = []
    for place, path in enumerate(maker.sounds.values()):
        shown = page.split("<pre")[1 + place].split(">")[1].split("<")[0]
        words = shlex.split(html.unescape(shown))
        assert words[:2] == ["python", "scripts/generate.py"]
        cfg = composed("generate", *plainly(words[2:]))
        cfg.run_dir = str(tmp_path / f"again-{place}")
        generate.main(cfg)
        assert path.read_bytes() == (tmp_path / f"again-{place}" / "take-000.wav").read_bytes()
        waves.append(read_clip(path).wave)
    assert waves[0].abs().max() > 0
    assert not torch.equal(waves[0], waves[1]), "base and adapter"
    assert str(Path.cwd()) not in page
    assert 'aria-pressed="false">base<' in page, "they are switched between"


@pytest.mark.slow
def test_bad_input_is_answered_as_the_command_line_answers_it(maker: Maker) -> None:
    for asked, says in [
        ({"prompt": "   "}, "prompt is empty"),
        ({"prompt": "a" * 10_000}, "prompt has 10,000 characters"),
        ({"prompt": "a reel \U0001f3bb"}, "which is no word"),
        ({"prompt": "???"}, "prompt is not said"),
        ({"seconds": "0"}, "seconds=0: it must be above 0"),
        ({"seconds": "1e6"}, "more than an hour"),
        ({"seconds": "9"}, "5 at most are played here"),
        ({"seconds": "nan"}, "it must be a number"),
        ({"guidance": "-1"}, "sampler.guidance=-1"),
        ({"temperature": "0"}, "nothing is left to chance"),
        ({"top_k": "-1"}, "0 or more"),
        ({"seed": "2.5"}, "it must be a whole number"),
    ]:
        with pytest.raises(DiscoError, match=says) as error:
            maker.make(asked, None)
        assert len(str(error.value).splitlines()) == 1
    told = lines(maker, {"seconds": "1", "top_k": "17"})
    assert "chooses among 16 tokens" in told[-1]["error"]
    assert "html" not in told[-1]
    assert maker.stage.busy.acquire(timeout=5), "after an error the next wish is played"
    maker.stage.busy.release()


@pytest.mark.slow
def test_one_piece_is_played_at_a_time_and_one_that_nobody_hears_stops(maker: Maker) -> None:
    playing = maker.make({**ASKED, "seconds": "5"}, None)
    assert "share" in json.loads(next(playing))
    with pytest.raises(DiscoError, match="something else is being played"):
        maker.make(ASKED, None)
    playing.close()  # type: ignore[attr-defined]  whoever listened has gone
    assert maker.stage.busy.acquire(timeout=20)
    maker.stage.busy.release()
    assert not maker.sounds, "it was not played to the end"


@pytest.mark.slow
def test_a_given_sound_is_gone_on_from(maker: Maker, tmp_path: Path) -> None:
    wave = 0.3 * torch.sin(torch.arange(16000) / 16000 * 2 * torch.pi * 440)[None]
    write_clip(tmp_path / "mine.flac", Clip(wave, 16000))
    sounds = Sounds(tmp_path / "sounds")
    name, text = sounds.keep((tmp_path / "mine.flac").read_bytes())
    assert text == "1.0 s of sound"
    path = sounds.find(name)
    assert path is not None
    told = lines(maker, {**ASKED, "seconds": "2", "sound": name, "use": "go_on_from"}, path)
    assert "go_on_from=" in told[-1]["html"]
    (made,) = maker.sounds.values()
    assert read_clip(made).seconds == pytest.approx(2.0)


def test_given_files_are_kept_as_what_they_are_or_refused_without_a_path(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path / "sounds")
    for content in (b"", b"no sound", b"MThd but no score", b"RIFF\xff\xff\xff\x00WAVEfmt "):
        with pytest.raises(DiscoError) as error:
            sounds.keep(content)
        assert str(tmp_path) not in str(error.value)
    one = {name: torch.tensor(values).numpy() for name, values in
           {"onset": [0.0], "offset": [0.5], "pitch": [69], "velocity": [90], "program": [0],
            "is_drum": [False]}.items()}  # fmt: skip
    write_score(tmp_path / "one.mid", score_from_notes(NoteTable(**one)))
    name, text = sounds.keep((tmp_path / "one.mid").read_bytes())
    assert text == "1 notes"
    assert str(sounds.find(name)).endswith(".mid")
    assert sounds.find("") is None
    with pytest.raises(DiscoError, match="not here any more"):
        sounds.find("../../etc/passwd")
    assert sorted(path.suffix for path in (tmp_path / "sounds").iterdir()) == [".mid"]


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    """Answers nothing."""


def ask(method: str = "GET", path: str = "/", **headers: str) -> str | None:
    told = {"host": "127.0.0.1:8022", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {"method": method, "path": path, "headers": [(k.encode(), v.encode()) for k, v in told.items()]}
    return Guard(nobody, play.hosts("127.0.0.1", ["studio.lan"])).refused(scope)


def test_only_the_page_itself_may_ask() -> None:
    assert ask() is None
    assert ask(host="[::1]:8022") is None
    assert ask(host="Studio.lan:80") is None
    assert ask("POST", "/make", origin="http://127.0.0.1:8022", sec_fetch_site="same-origin") is None
    assert ask(sec_fetch_site="cross-site") is None, "a link to the page may stand anywhere"
    assert ask(host="evil.example:8022") == "this page is not asked for under its own name"
    assert ask(host="") is not None
    assert ask(host="127.0.0.1.evil.example") is not None
    assert ask("POST", "/make", origin="http://evil.example") == "another site asked"
    assert ask("POST", "/make", origin="null") == "another site asked"
    assert ask("POST", "/make", origin="http://127.0.0.1:9000") == "another site asked"
    assert ask(path="/takes/001-0.wav", sec_fetch_site="cross-site") == "another site asked"


def test_a_port_that_is_taken_and_settings_that_cannot_be_are_told(composed) -> None:
    with play.listen("127.0.0.1", 0) as door, pytest.raises(DiscoError, match="give port=0"):
        play.listen("127.0.0.1", door.getsockname()[1])
    for word, says in (("port=x", "port=x"), ("upload_mb=0", "above 0"), ("most_seconds=nan", "a number")):
        with pytest.raises(DiscoError, match=says):
            play.check(composed("play", "run=somewhere", word))


def test_missing_packages_are_named(composed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(DiscoError, match=r"packages fastapi and uvicorn; pip install -e '\.\[listen\]'"):
        play.main(composed("play", "run=somewhere"))


@pytest.mark.slow
def test_the_page_shows_what_the_run_hears_and_asks_nobody_else(stage: Stage, composed) -> None:
    cfg = composed("play", "run=somewhere")
    page = render_controls(play.controls(stage, cfg))
    assert "Adapter strength" in page
    assert "slip jig" in page
    assert 'name="prompt"' not in page, "this run was not trained with words"
    assert "It listens to rhythm" in page
    for text in (page, style(), script()):
        assert "http://" not in text
        assert "https://" not in text
    for risky in ("<script>", "onclick", "style="):
        assert risky not in page, "the policy of the page forbids it"


@pytest.fixture
def client(maker: Maker, composed, tmp_path: Path) -> Iterator[Any]:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient  # pyright: ignore[reportMissingImports]

    from disco.apps.play_server import create_app

    cfg = composed("play", "run=somewhere", "upload_mb=0.1")
    shown = play.controls(maker.stage, cfg)
    app = create_app(maker, shown, hosts=play.hosts("127.0.0.1", []), folder=tmp_path / "sounds")
    with TestClient(app, base_url="http://127.0.0.1:8022") as client:
        yield client


@pytest.mark.slow
def test_the_server_plays_a_wish_and_serves_its_sound(client, maker: Maker, tmp_path: Path) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get("/play.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/play.css").status_code == 200

    answer = client.post("/make", json={**ASKED, "compare": True})
    assert answer.status_code == 200
    part = json.loads(answer.text.splitlines()[-1])["html"]
    for address, path in maker.sounds.items():
        assert f'src="{address}"' in part
        assert client.get(address).content == path.read_bytes()
        start = client.get(address, headers={"range": "bytes=0-3"})
        assert (start.status_code, start.content) == (206, b"RIFF")
    assert client.get("/takes/..%2f..%2fconfig.yaml").status_code == 404

    wave = torch.zeros(1, 8000)
    write_clip(tmp_path / "still.wav", Clip(wave, 16000))
    kind = {"content-type": "application/octet-stream"}
    told = client.post("/sound", content=(tmp_path / "still.wav").read_bytes(), headers=kind).json()
    assert told["text"] == "0.5 s of sound"
    assert str(tmp_path) not in json.dumps(told)
    for content, headers, says in [
        (b"0" * 100_001, kind, "more than 0.1 MB"),
        (b"none", kind, "this file cannot be read as audio"),
        (b"none", {"content-type": "text/plain"}, "this is not sent as"),
    ]:
        answer = client.post("/sound", content=content, headers=headers)
        assert answer.status_code == 422
        assert says in answer.json()["error"]
    for asked, says in [({"seconds": "0"}, "it must be above 0"), ({"sound": "x"}, "not here any more")]:
        answer = client.post("/make", json=asked)
        assert (answer.status_code, says in answer.json()["error"]) == (422, True)
    assert client.post("/make", content=b"[", headers={"content-type": "application/json"}).status_code == 422
    assert client.post("/make", json=ASKED, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert threading.active_count() < 50
