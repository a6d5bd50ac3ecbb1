"""What a codec is, in one word that changes when its weights do."""

import hashlib

import torch


def hashed(network: torch.nn.Module, said: str) -> str:
    """Return a SHA-256 over names, shapes and values of the weights, and over how they are used."""
    digest = hashlib.sha256(said.encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
