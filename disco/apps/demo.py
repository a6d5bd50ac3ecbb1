"""`make demo`: the commands that a user types, one after the other, and a report of what came out."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from disco.apps.warm import WarmStart
from disco.core.files import write_text

OUT = Path("outputs/demo")
CAREFUL = "sampler.temperature=0.7 sampler.top_k=20 sampler.guidance=1"  # notes that fit beat notes that dare


@dataclass(frozen=True)
class Stage:
    """One command, and the file that is there once it has done its work."""

    name: str
    says: str
    command: str
    makes: str

    @property
    def words(self) -> list[str]:
        """The command as it is run: this Python, and its output folder named."""
        return shlex.split(self.command)

    @property
    def done(self) -> Path:
        """The file that marks the end of the stage."""
        return OUT / self.makes


def trains(name: str, says: str, arguments: str) -> Stage:
    """Return a stage that trains into `outputs/demo/<name>` and goes on if it was interrupted."""
    command = f"train.py {arguments} resume=auto hydra.run.dir={OUT}/{name}"
    return Stage(name, says, command, f"{name}/run.json")


def judges(name: str, says: str, arguments: str) -> Stage:
    """Return a stage that measures into `outputs/demo/evaluate/<name>`."""
    command = f"scripts/evaluate.py run={OUT}/{arguments} shown=1 hydra.run.dir={OUT}/evaluate/{name}"
    return Stage(f"evaluate/{name}", says, command, f"evaluate/{name}/scores.json")


STAGES = (
    Stage(
        "corpus",
        "render two hours of fiddle tunes and chorales",
        f"scripts/prepare.py prepare=demo hydra.run.dir={OUT}/corpus",
        "corpus/done",
    ),
    trains("symbolic", "learn to write tunes", "model=symbolic scale=tiny trainer.max_steps=110"),
    Stage(
        "first-tune",
        "the first music to hear",
        f"scripts/generate.py run={OUT}/symbolic tags.rhythm=reel tags.key=Dmaj tags.metre=4/4 seconds=16 "
        f"{CAREFUL} hydra.run.dir={OUT}/first-tune",
        "first-tune/manifest.jsonl",
    ),
    trains(
        "codec",
        "learn to turn sound into tokens and back",
        "model=autoencoder data.books=[ryan,bach] trainer.max_steps=200 optim.lr=3e-4",
    ),
    trains("musicgen", "learn to speak those tokens", "model=musicgen scale=tiny trainer.max_steps=130"),
    trains(
        "lora",
        "adapt it to chorales, which it has never heard",
        "model=musicgen adapter=lora data.books=[bach] trainer.max_steps=50 optim.lr=5e-3 "
        "adapter.sites=[query,value,out,head]",
    ),
    judges("symbolic", "measure the tunes", f"symbolic {CAREFUL}"),
    judges("codec", "measure the codec", "codec metric=[onset_f1,signal] seconds=10 count=24"),
    judges("musicgen", "measure the audio model", "musicgen floors=true count=8"),
    judges("lora", "measure the adapted model", "lora floors=true count=8"),
    judges("base-on-chorales", "measure the base on chorales", "musicgen data.books=[bach] count=8"),
)


def main() -> None:
    """Run every stage that is not done yet and write the report."""
    console = Console()
    begun = time.monotonic()
    walls = _walls()
    warm = WarmStart()
    for number, stage in enumerate(STAGES, 1):
        console.rule(f"[bold]{number}/{len(STAGES)} {stage.name}: {stage.says}")
        if stage.done.is_file():
            console.print("done before")
            continue
        console.print(f"$ python {stage.command}", markup=False, soft_wrap=True, style="cyan")
        started = time.monotonic()
        if code := _run(warm, stage):
            console.print(f"[red]stopped in {stage.name}; run `make demo` again to go on from here")
            raise SystemExit(code)
        if not stage.done.is_file():
            write_text(stage.done, "")
        walls[stage.name] = round(walls.get(stage.name, 0.0) + time.monotonic() - started, 1)
        write_text(OUT / "walls.json", json.dumps(walls, indent=1))
    from disco.apps.demo_report import write_report

    page = write_report(OUT, STAGES, walls)
    work, now = sum(walls.values()) / 60, (time.monotonic() - begun) / 60
    console.rule(f"[bold]done: {work:.1f} minutes of work, {now:.1f} of them now")
    console.print(f"listen and look: {page.resolve()}")
    for tune in sorted((OUT / "first-tune").glob("*.wav")):
        console.print(f"a written tune:  {tune}")
    console.print("curves and audio as they were learnt: .venv/bin/tensorboard --logdir outputs/demo")
    console.print("go on: .venv/bin/python train.py model=musicgen scale=tiny trainer.max_steps=5000")


def _run(warm: WarmStart, stage: Stage) -> int:
    """Run a stage and return its exit status; on Ctrl-C, which it hears too, it is left time to save."""
    process = warm.start(stage.words)
    try:
        process.join()
    except KeyboardInterrupt:
        process.join()
        return process.exitcode or 130
    return process.exitcode or 0


def _walls() -> dict[str, float]:
    path = OUT / "walls.json"
    return json.loads(path.read_text()) if path.is_file() else {}
