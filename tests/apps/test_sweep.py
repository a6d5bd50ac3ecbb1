"""Sweeps on a toy objective: they search, go on where they died, and say what crashed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from disco.apps.launch import CONF
from disco.apps.sweep.best import write_best
from disco.apps.sweep.importance import importances
from disco.apps.sweep.points import Point, read_rows, varied
from disco.apps.sweep.typed import going_on
from disco.errors import DiscoError

ROOT = Path(__file__).resolve().parents[2]
# train.py with an objective that takes no time: lowest at 0.01, and it crashes at seed 3.
TOY = """
import math, sys, time
from hydra.core.hydra_config import HydraConfig
import disco.apps.train as train
def main(cfg):
    with open({log!r}, "a") as log:
        log.write(HydraConfig.get().runtime.output_dir + chr(10))
    if cfg.seed == 3:
        raise RuntimeError("seed three")
    if cfg.seed == 4:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    if int(HydraConfig.get().job.num) >= {stop}:
        time.sleep(600)
    return abs(math.log10(cfg.optim.lr) + 2)
train.main = main
from disco.apps.launch import launch
launch("train")
"""


def toy(folder: Path, *words: str, stop: int = 99) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    code = TOY.format(log=str(folder / "log"), stop=stop)
    return [sys.executable, "-c", code, "-m", f"hydra.sweep.dir={folder}/sweep", *words]


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def visited(folder: Path) -> list[str]:
    return [Path(line).name for line in (folder / "log").read_text().splitlines()]


@pytest.mark.long
def test_a_crashed_point_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    done = run(toy(tmp_path, "optim.lr=1e-3,1e-2", "seed=1,3"))
    assert done.returncode == 1, done.stderr
    assert "1 crashed: RuntimeError: seed three" in done.stdout
    rows = json.loads((tmp_path / "sweep" / "leaderboard.json").read_text())
    assert [row["state"] for row in rows] == ["finished", "finished", "crashed", "crashed"]
    assert rows[0]["overrides"]["optim.lr"] == "0.01"
    again = run(toy(tmp_path, "optim.lr=1e-3,1e-2", "seed=1,3"))
    assert again.returncode == 1
    assert visited(tmp_path) == ["0", "1", "2", "3", "1", "3"]  # what finished is not done again
    other = run(toy(tmp_path, "optim.lr=1e-3,1e-2,1e-1"))
    assert other.returncode == 2
    assert "holds a point of another sweep" in other.stderr


@pytest.mark.long
def test_a_grid_that_was_killed_goes_on_by_its_folder_alone(tmp_path: Path) -> None:
    begun = subprocess.Popen(
        toy(tmp_path, "optim.lr=1e-4,1e-3,1e-2,1e-1", stop=1), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    while not (tmp_path / "sweep" / "1" / "point.json").is_file():
        time.sleep(0.02)
    second = run(toy(tmp_path))
    assert second.returncode == 2
    assert "another process" in second.stderr
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    done = run(toy(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "0: finished before" in done.stdout
    assert visited(tmp_path) == ["0", "1", "1", "2", "3"]
    with (tmp_path / "sweep" / "leaderboard.csv").open() as file:
        assert [row["run"] for row in csv.DictReader(file)] == ["2", "1", "3", "0"]
    page = (tmp_path / "sweep" / "leaderboard.html").read_text()
    assert "What matters" in page
    assert "Settings and outcome" in page


@pytest.mark.long
@pytest.mark.parametrize("launcher", ["basic", "processes"])
def test_of_twenty_points_one_crashes_and_after_a_kill_only_what_is_missing_is_made(
    launcher: str, tmp_path: Path
) -> None:
    seeds = [3 if job == 7 else 10 + job for job in range(20)]  # the eighth crashes, those from 12 on hang
    words = [f"hydra/launcher={launcher}", f"seed={','.join(map(str, seeds))}"]
    begun = subprocess.Popen(toy(tmp_path, *words, stop=12), cwd=ROOT, stdout=subprocess.DEVNULL)
    while not (tmp_path / "sweep" / "12" / "point.json").is_file():
        time.sleep(0.02)
    time.sleep(1)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    first = set(visited(tmp_path))
    hung = {"12"} if launcher == "basic" else {"12", "13"}
    assert first == {*map(str, range(12)), *hung}
    (tmp_path / "log").unlink()
    done = run(toy(tmp_path))
    assert done.returncode == 1, done.stderr
    assert "7 crashed: RuntimeError: seed three" in done.stdout
    assert sorted(visited(tmp_path), key=int) == ["7", *map(str, range(12, 20))]
    states = [row.point.state for row in read_rows(tmp_path / "sweep")]
    assert states == ["finished"] * 19 + ["crashed"]


@pytest.mark.long
def test_workers_share_the_points_and_a_killed_one_has_crashed(tmp_path: Path) -> None:
    done = run(toy(tmp_path, "hydra/launcher=processes", "seed=1,4,2,5"))
    assert done.returncode == 1, done.stderr
    assert "1 crashed: its process ended with signal 9" in done.stdout
    assert [row.point.state for row in read_rows(tmp_path / "sweep")] == ["finished"] * 3 + ["crashed"]


@pytest.mark.long
def test_a_search_goes_on_after_a_kill_and_finds_the_valley(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    words = [
        "hydra/sweeper=optuna",
        "hydra.sweeper.trials=16",
        "optim.lr=tag(log,interval(1e-5,1.0))",
        "seed=choice(1,2)",
    ]
    begun = subprocess.Popen(toy(tmp_path, *words, stop=3), cwd=ROOT, stdout=subprocess.DEVNULL)
    while not (tmp_path / "sweep" / "3" / "point.json").is_file():
        time.sleep(0.02)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    done = run(toy(tmp_path))
    assert done.returncode == 0, done.stderr
    seen = visited(tmp_path)
    assert sorted(set(seen), key=int) == [str(k) for k in range(16)]
    assert len(seen) == 17, "the killed one twice"
    rows = read_rows(tmp_path / "sweep")
    rates = [float(row.given["optim.lr"]) for row in rows]
    assert len(set(rates)) == 16, "a search that goes on draws nothing twice"
    assert 1e-3 < rates[0] < 1e-1
    assert rows[0].cost < 0.5


def test_a_search_without_optuna_names_the_extra(tmp_path: Path) -> None:
    blocked = toy(tmp_path, "hydra/sweeper=optuna", "optim.lr=interval(1e-4,1e-2)")
    blocked[2] = "import sys; sys.modules['optuna'] = None\n" + blocked[2]
    done = run(blocked)
    assert done.returncode == 2
    assert done.stderr == "error: hydra/sweeper=optuna needs optuna; pip install 'disco-musica[sweep]'\n"


def test_words_become_spaces() -> None:
    optuna = pytest.importorskip("optuna")
    from disco.apps.sweep.spaces import split, words_for

    words = [
        "model=symbolic",
        "a=tag(log, interval(1e-5, 1e-2))",
        "b=int(interval(1, 8))",
        "c=choice(4,8)",
        "d=range(2,9,3)",
        "e=x,y",
        "f=range(0.0,1.0,0.25)",
    ]
    fixed, space = split(OverridesParser.create().parse_overrides(words))
    kinds = optuna.distributions
    assert fixed == ["model=symbolic"]
    assert space == {
        "a": kinds.FloatDistribution(1e-5, 1e-2, log=True),
        "b": kinds.IntDistribution(1, 8),
        "c": kinds.CategoricalDistribution(["4", "8"]),
        "d": kinds.IntDistribution(2, 8, step=3),
        "e": kinds.CategoricalDistribution(["x", "y"]),
        "f": kinds.FloatDistribution(0.0, 0.75, step=0.25),
    }
    assert words_for(fixed, {"a": 0.5, "e": "x"}) == ["model=symbolic", "a=0.5", "e=x"]
    with pytest.raises(DiscoError, match="lower bound"):
        split(OverridesParser.create().parse_overrides(["a=interval(2,1)"]))


@pytest.mark.parametrize(
    "option", sorted((CONF / "hydra" / "sweeper").rglob("*/*.yaml")), ids=lambda p: p.stem
)
def test_every_sampler_and_pruner_stands_in_the_sweeper(option: Path) -> None:
    GlobalHydra.instance().clear()
    words = ["hydra/sweeper=optuna", f"hydra/sweeper/{option.parent.name}={option.stem}", "run_dir=x"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        sweeper = compose("train", words, return_hydra_config=True).hydra.sweeper
    GlobalHydra.instance().clear()
    assert sweeper[option.parent.name]._target_.startswith(f"optuna.{option.parent.name}s.")
    assert sweeper.at_once == 1


def test_what_matters_is_what_the_cost_follows() -> None:
    rates = [1e-4, 1e-3, 1e-2] * 4
    ranks = [4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32]
    costs = [rate * 100 + 0.001 * (k % 5) for k, rate in enumerate(rates)]
    shares = importances({"rate": rates, "rank": ranks}, costs)
    assert shares["rate"] > 0.9
    assert shares["rank"] < 0.1
    assert importances({"rate": rates}, [1.0] * 12) == {"rate": 0.0}


def test_the_best_point_is_an_experiment(tmp_path: Path) -> None:
    words = ["model=symbolic", "sweep=lora_grid", "optim.lr=3e-4", "adapter.rank=8", "plan=off", "loss=[]"]
    command = write_best(tmp_path, words, "The best of one point.")
    assert command == ["train.py", "-cd", str(tmp_path), "experiment=best"]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        theirs = compose("train", [f"hydra.searchpath=[file://{tmp_path}]", "experiment=best", "run_dir=x"])
        ours = compose(
            "train",
            ["model=symbolic", "adapter=lora", "optim.lr=3e-4", "adapter.rank=8", "loss=[]", "run_dir=x"],
        )
    GlobalHydra.instance().clear()
    assert theirs == ours


def test_rows_stand_best_first_and_only_what_varies_is_a_column(tmp_path: Path) -> None:
    for name, value, rate in (("0", 2.0, "1"), ("1", 1.0, "2"), ("10", float("nan"), "3")):
        Point(words=["model=symbolic", f"optim.lr={rate}"], state="finished", value=value).write(
            tmp_path / name
        )
    Point(words=["model=symbolic", "optim.lr=4"], state="crashed", error="it broke").write(tmp_path / "2")
    rows = read_rows(tmp_path)
    assert [row.folder.name for row in rows] == ["1", "0", "10", "2"]
    assert varied(rows) == ["optim.lr"]


def test_what_is_typed_now_wins_over_what_a_sweep_began_with(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('["model=symbolic", "hydra.sweeper.trials=4"]')
    place = f"hydra.sweep.dir={tmp_path}"
    assert going_on(["-m", place, "hydra.sweeper.trials=9"]) == [
        "-m", "model=symbolic", place, "hydra.sweeper.trials=9",
    ]  # fmt: skip
    assert going_on(["-m", place, "seed=1,2"]) == ["-m", place, "seed=1,2"]
    assert going_on([place]) == [place]
