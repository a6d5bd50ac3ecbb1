"""`scripts/stereo.py`: a mono model becomes a stereo model, a run of its own to train on from."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, open_dict
from rich.console import Console

from disco.adapters.full import Full
from disco.apps.parts import build_module
from disco.apps.runs import Run, open_run
from disco.errors import DiscoError


def main(cfg: DictConfig) -> Run:
    """Write a run folder with the doubled weights, over the same codec on both sides.

    Raises:
        DiscoError: the run speaks no codec tokens, is stereo already, or holds an adapter.
    """
    from disco.models.musicgen import MusicGen
    from disco.models.musicgen_surgery import stereo_weights

    mono = open_run(cfg.run)
    if not isinstance(mono, MusicGen):
        raise DiscoError(f"{cfg.run} speaks no codec tokens", do="name a run of model=musicgen")
    if mono.codec.channels != 1:
        raise DiscoError(f"{cfg.run} has {mono.codec.channels} channels already", do="name a mono run")
    if mono.adapted:
        raise DiscoError(f"{cfg.run} holds an adapter", do=f"fold it in: scripts/merge.py run={cfg.run}")
    config = Run(Path(cfg.run)).config
    with open_dict(config):
        config.codec = {"_target_": "disco.codecs.stereo.Stereo", "inner": config.codec}
        config.weights = {"_target_": "disco.weights.none.Random"}
        delays = config.model.pattern.get("delays")
        if delays is not None:  # else they are the codec's
            config.model.pattern.delays = [delay for delay in delays for _ in (0, 1)]
        if config.model.get("expects"):
            config.model.expects = None
    stereo = build_module(config, training=False)
    stereo.load_network(stereo_weights(mono.network_state(), mono.num_codebooks))
    run = Run(Path(cfg.run_dir))
    run.begin(config)
    run.save(stereo, Full(recount=False), {"mono": str(cfg.run)})
    run.finish({"mono": str(cfg.run), "base": {}})
    Console().print(f"written to {run.folder}; train it on stereo music as weights=run weights.run=…")
    return run
