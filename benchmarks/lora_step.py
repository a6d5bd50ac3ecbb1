"""One process that adapts a MusicGen by LoRA and says how much memory that took."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.musicgen_parts import Heard, TokensOnly
from disco.adapters.lora import LoRA
from disco.core.batch import CodeBatch, Conditions
from disco.losses.token_ce import TokenCE
from disco.models.musicgen import MusicGen
from disco.nets.patterns import Delay
from disco.nets.transformer import Sinusoidal

WIDTH, DEPTH, HEADS = 512, 8, 8
CODEBOOKS, CARDINALITY = 4, 2048
BATCH, FRAMES, WORDS = 4, 500, 16  # ten seconds of EnCodec tokens
RANK, ALPHA, STEPS = 8, 16, 4


def codes(items: int = BATCH, frames: int = FRAMES) -> Tensor:
    """Return the same tokens for both, `[b, k, f]`."""
    return torch.randint(CARDINALITY, (items, CODEBOOKS, frames), generator=torch.Generator().manual_seed(1))


def words(items: int = BATCH) -> Tensor:
    """Return the same text vectors for both, `[b, n, d]`."""
    return torch.randn(items, WORDS, WIDTH, generator=torch.Generator().manual_seed(2))


def ours(
    *, lora: bool = True, items: int = BATCH, frames: int = FRAMES
) -> tuple[nn.Module, Callable[[], Tensor]]:
    """Return our model with our adapter, and what computes its loss."""
    torch.manual_seed(0)
    model = MusicGen(
        width=WIDTH, depth=DEPTH, heads=HEADS, dropout=0.0, positions=Sinusoidal(max_period=10000.0),
        pattern=Delay(delays=None), prior=False, condition_dropout=0.0, seconds=10.0,
        codec=TokensOnly(num_codebooks=CODEBOOKS, cardinality=CARDINALITY),
        conditioners={"text": Heard(words(items))}, terms={"token_ce": TokenCE(weight=1.0)}, recipe=None,
        checkpoint_layers=0.0, checkpoint_selective=0.125,
    )  # fmt: skip
    if lora:
        LoRA(
            sites=["query", "value", "cross_query", "cross_value"], layers=None, rank=RANK, ranks={},
            alpha=ALPHA, alphas={}, dropout=0.0, rank_stabilised=False, dora=False, recount=False, seed=0,
        ).attach(model)  # fmt: skip
    batch = CodeBatch(
        codes=codes(items, frames),
        valid=torch.full((items,), frames),
        conditions=Conditions(text=("",) * items),
    )
    return model, lambda: model.objective(model(batch), batch)[0]


def theirs() -> tuple[nn.Module, Callable[[], Tensor]]:
    """Return transformers' model with the same weights, peft's adapter, and what computes its loss."""
    from peft import LoraConfig, get_peft_model
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    model = MusicgenForCausalLM(
        MusicgenDecoderConfig(
            vocab_size=CARDINALITY, hidden_size=WIDTH, ffn_dim=4 * WIDTH, num_hidden_layers=DEPTH,
            num_attention_heads=HEADS, num_codebooks=CODEBOOKS, pad_token_id=CARDINALITY,
            bos_token_id=CARDINALITY, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
            max_position_embeddings=2048, use_cache=False,
        )
    )  # fmt: skip
    model.load_state_dict(as_theirs(ours(lora=False)[0].state_dict()), strict=False)
    torch.manual_seed(0)
    adapted = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["q_proj", "v_proj"]))
    steps = delayed(codes())
    heard = words()

    def loss() -> Tensor:
        return adapted(
            input_ids=steps[..., :-1].flatten(0, 1),
            encoder_hidden_states=heard,
            labels=steps[..., 1:].transpose(1, 2),
        ).loss

    return adapted, loss


def delayed(tokens: Tensor) -> Tensor:
    """Shift codebook k by k steps behind a first step of nothing."""
    out = torch.full((BATCH, CODEBOOKS, FRAMES + CODEBOOKS), CARDINALITY)
    for k in range(CODEBOOKS):
        out[:, k, 1 + k : 1 + k + FRAMES] = tokens[:, k]
    return out


def as_theirs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give our weights the names of transformers."""
    renamed = {
        "attention.": "self_attn.", "cross_attention.": "encoder_attn.", "query": "q_proj", "key": "k_proj",
        "value": "v_proj", ".out.": ".out_proj.", "cross_norm": "encoder_attn_layer_norm",
        "attention_norm": "self_attn_layer_norm", "ffn_norm": "final_layer_norm", "ffn_in": "fc1",
        "ffn_out": "fc2",
    }  # fmt: skip
    found = {}
    for name, tensor in state.items():
        if name.startswith("decoder.layers."):
            new = name.replace("cross_attention.", "encoder_attn.").replace("attention.", "self_attn.")
            for ours_, theirs_ in renamed.items():
                if not ours_.endswith("attention."):
                    new = new.replace(ours_, theirs_)
            found[f"model.{new}"] = tensor
    for kind in ("weight", "bias"):
        found[f"model.decoder.layer_norm.{kind}"] = state[f"decoder.out_norm.{kind}"]
    for k, rows in enumerate(state["embedding.weight"].split(CARDINALITY + 1)):
        found[f"model.decoder.embed_tokens.{k}.weight"] = rows
    for k, rows in enumerate(state["head.weight"].split(CARDINALITY)):
        found[f"lm_heads.{k}.weight"] = rows
    return found


def adapting(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], float]:
    """Return what takes one step of AdamW on what moves, and says the loss before it."""
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

    def step() -> float:
        value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(value.detach())

    return step


def main(which: str) -> None:
    """Take some steps and print the first loss and the peak memory in MB."""
    import peft
    import transformers  # both sides carry the imports, so that memory is the work's alone

    assert peft
    assert transformers
    torch.set_num_threads(1)
    before = _kilobytes("VmRSS") / 1000
    step = adapting(*(ours() if which == "ours" else theirs()))
    losses = [step() for _ in range(STEPS)]
    told = {"loss": losses[0], "peak_mb": _kilobytes("VmHWM") / 1000 - before}
    sys.stdout.write(json.dumps(told) + "\n")


def _kilobytes(field: str) -> int:
    """Return a field of this process's status; unlike `ru_maxrss` nothing is inherited from the parent."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[field].split()[0])


if __name__ == "__main__":
    main(sys.argv[1])
