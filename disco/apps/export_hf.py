"""Exports for `transformers`: a whole MusicGen, or a codec in the shape of EnCodec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from disco.apps.export_fit import published_kind, text_of
from disco.apps.export_source import Source, asked_of, largest_apart
from disco.errors import DiscoError

if TYPE_CHECKING:
    from torch import Tensor

    from disco.models.autoencoder import Autoencoder
    from disco.models.musicgen import MusicGen

ADAPTER = "adapter"  # subfolder of an adapter that stays apart
GUIDANCE, SECONDS = 3.0, 30  # as published, for `generate` without further words


class ToTransformers:
    """Writes what `from_pretrained` opens, the tokenizer and the feature extractor included."""

    name = "hf"
    library = "transformers"
    how_to_install = "it belongs to this framework's own packages"

    def check(self, source: Source) -> None:
        """Refuse what transformers has no place for.

        Raises:
            DiscoError: names it.
        """
        if _is_codec(source):
            if source.adapter is not None:
                raise DiscoError("a codec's adapter is folded in", do="set merged=true")
            encodec_of(source.module)
            return
        model = published_kind(source.base, self.library)
        if text_of(model).project.in_features == model.embedding.embedding_dim:
            raise DiscoError(
                "transformers leaves the text projection out where the encoder is as wide as the model",
                do="to=safetensors, or to=audiocraft",
            )
        network_of_codec(model)
        if source.adapter is not None:
            from disco.apps.export_peft import ToPeft

            ToPeft().check(source)

    def write(self, source: Source, folder: Path) -> None:
        """Write config, weights and what a processor needs; an adapter that stays apart in a subfolder."""
        if _is_codec(source):
            network = encodec_of(source.module)
            network.save_pretrained(folder)
            _feature_extractor(network.config).save_pretrained(folder)
            return
        model = published_kind(source.base, self.library)
        whole = whole_of(model)
        whole.save_pretrained(folder)
        tokenizer, _ = _parts(model)
        tokenizer.save_pretrained(folder)
        _feature_extractor(whole.config.audio_encoder).save_pretrained(folder)
        if source.adapter is not None:
            from disco.apps.export_peft import ToPeft

            (folder / ADAPTER).mkdir()
            ToPeft().write(source, folder / ADAPTER)

    def compare(self, source: Source, folder: Path) -> float:
        """Return how far the logits, or a codec's sound, are apart."""
        if _is_codec(source):
            return _codec_apart(source, folder)
        whole = open_whole(folder)
        if source.adapter is not None:
            from peft import PeftModel

            whole = PeftModel.from_pretrained(whole, folder / ADAPTER).eval()
        model = source.module
        return max(largest_apart(answer(whole, model, *asked), ours) for *asked, ours in asked_of(model))  # type: ignore[arg-type]


def open_whole(folder: Path) -> Any:
    """Return the MusicGen of a folder as transformers opens it."""
    from transformers import MusicgenForConditionalGeneration

    return MusicgenForConditionalGeneration.from_pretrained(folder).eval()


def whole_of(model: MusicGen) -> Any:
    """Return transformers' MusicGen with our weights, the frozen encoder and the codec."""
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM, MusicgenForConditionalGeneration

    from disco.weights.layouts import TRANSFORMERS

    layers, special = model.decoder.layers, model.special
    lone = MusicgenForCausalLM(
        MusicgenDecoderConfig(
            vocab_size=special,
            hidden_size=model.embedding.embedding_dim,
            ffn_dim=4 * model.embedding.embedding_dim,
            num_hidden_layers=len(layers),
            num_attention_heads=layers[0].attention.heads,  # type: ignore[union-attr]
            num_codebooks=model.num_codebooks,
            audio_channels=model.codec.channels,
            dropout=model.decoder.drop.p,
            pad_token_id=special,
            bos_token_id=special,
        )
    )
    _, reader = _parts(model)
    whole: Any = MusicgenForConditionalGeneration(
        text_encoder=reader, audio_encoder=network_of_codec(model), decoder=lone
    )
    whole.set_attn_implementation("eager")  # built from its parts it has none, and would look ahead
    theirs = TRANSFORMERS.to_theirs(model.network_state(), model.num_codebooks)
    unfilled, unknown = whole.load_state_dict(theirs, strict=False)
    unfilled = [name for name in unfilled if not name.startswith(("text_encoder.", "audio_encoder."))]
    assert not unfilled, unfilled
    assert not unknown, unknown
    words = whole.generation_config
    words.decoder_start_token_id = words.pad_token_id = words.bos_token_id = special
    words.max_length = int(SECONDS * model.frame_rate)
    words.do_sample, words.guidance_scale = True, GUIDANCE
    return whole.eval()


def answer(whole: Any, model: MusicGen, codes: Tensor, caption: str) -> Tensor:
    """Return the logits of transformers' model by codebook and frame, the caption read by its own encoder."""
    from disco.nets.patterns import Picked

    tokenizer, _ = _parts(model)
    encoder: Any = text_of(model).encoder
    words = tokenizer(caption, truncation=True, max_length=encoder.max_tokens, return_tensors="pt")
    layout = model.layout(codes.shape[-1])
    steps = layout.lay_out(codes, model.special)[..., :-1]
    with torch.no_grad():
        out = whole(
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
            decoder_input_ids=steps.flatten(0, 1),
        )
    logits = out.logits.unflatten(0, (-1, model.num_codebooks))
    picked: Tensor = Picked.apply(logits, layout.places())  # type: ignore[assignment]
    return picked


def network_of_codec(model: MusicGen) -> Any:
    """Return transformers' network of the codec.

    Raises:
        DiscoError: it has none.
    """
    from disco.codecs.encodec import Encodec
    from disco.codecs.run import RunCodec
    from disco.codecs.stereo import Stereo

    codec = model.codec.inner if isinstance(model.codec, Stereo) else model.codec
    if isinstance(codec, Encodec):
        return codec.model
    if isinstance(codec, RunCodec):
        return encodec_of(codec.autoencoder)
    raise DiscoError(
        f"transformers' MusicGen speaks EnCodec's tokens, and this one those of {type(codec).__name__}",
        do="to=safetensors, or to=audiocraft",
    )


def encodec_of(codec: Any) -> Any:
    """Return one's own codec as transformers' network.

    Raises:
        DiscoError: it is not built like EnCodec.
    """
    from transformers import EncodecConfig, EncodecModel

    from disco.nets.seanet import Recurrent
    from disco.weights.encodec import ENCODEC, check_shape, folded

    check_shape(codec, "to=hf")
    layers = codec.encoder.layers
    strides = [
        layer.conv.stride[0] for layer in layers if hasattr(layer, "conv") and layer.conv.stride[0] > 1
    ]
    recurrent = [layer.lstm.num_layers for layer in layers if isinstance(layer, Recurrent)]
    if not recurrent:
        raise DiscoError("EnCodec has a recurrent part, and this codec none", do="to=safetensors")
    first = layers[0].conv
    bits = codec.num_codebooks * (codec.cardinality - 1).bit_length() * codec.rate / codec.hop
    network = EncodecModel(
        EncodecConfig(
            target_bandwidths=[bits / 1000],
            sampling_rate=codec.rate,
            audio_channels=codec.channels,
            num_filters=first.out_channels,
            kernel_size=first.kernel_size[0],
            last_kernel_size=first.kernel_size[0],
            residual_kernel_size=layers[1].layers[1].conv.kernel_size[0],
            upsampling_ratios=strides[::-1],
            hidden_size=len(codec.quantizer.mean),
            num_lstm_layers=recurrent[0],
            codebook_size=codec.cardinality,
            codebook_dim=len(codec.quantizer.mean),
            use_causal_conv=False,
            use_conv_shortcut=False,
            normalize=False,
        )
    )
    theirs = ENCODEC.to_theirs(folded(codec.network_state(), last=len(layers) - 1), codebooks=1)
    unfilled, unknown = network.load_state_dict(theirs, strict=False)
    unfilled = [name for name in unfilled if not name.endswith(".inited")]
    assert not unfilled, unfilled
    assert not unknown, unknown
    return network.eval()


def _codec_apart(source: Source, folder: Path) -> float:
    """Return how far the sound is apart; infinitely where tokens differ other than by rounding."""
    from transformers import EncodecModel

    codec: Autoencoder = source.module  # type: ignore[assignment]
    network: Any = EncodecModel.from_pretrained(folder).eval()
    wave = 0.3 * torch.randn(1, codec.channels, 20 * codec.hop, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        codes, theirs = codec.encode(wave), network.encode(wave).audio_codes[0]
        if (codes != theirs).float().mean() > 0.01:  # where two entries are as near, rounding decides
            return float("inf")
        return largest_apart(codec.decode(codes), network.decode(codes[None], [None]).audio_values)


def _feature_extractor(config: Any) -> Any:
    from transformers import EncodecFeatureExtractor

    return EncodecFeatureExtractor(feature_size=config.audio_channels, sampling_rate=config.sampling_rate)


def _parts(model: MusicGen) -> tuple[Any, Any]:
    encoder: Any = text_of(model).encoder
    if not hasattr(encoder, "parts"):
        raise DiscoError(f"transformers has no reader of captions like {type(encoder).__name__}")
    return encoder.parts()


def _is_codec(source: Source) -> bool:
    from disco.models.autoencoder import Autoencoder

    return isinstance(source.module, Autoencoder)
