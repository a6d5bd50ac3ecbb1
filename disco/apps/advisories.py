"""Installed versions that are known to be unsafe are refused before they are imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

from disco.errors import DiscoError

# package → versions that are malicious, the first version that is safe, and who says so
ADVISORIES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "lightning": (("2.6.2", "2.6.3"), "2.6.1", "GHSA-w37p-236h-pfx3 and CVE-2026-31221"),
    "torch": ((), "2.10", "CVE-2026-24747"),
    "hydra-core": ((), "1.3.6", "GHSA-37p2-j732-x8pj"),
    "transformers": ((), "5.3", "CVE-2026-4372"),
}


def check_advisories() -> None:
    """Refuse to start with a package of which an advisory warns; nothing is imported for it.

    Raises:
        DiscoError: names the package, its version, the advisory and the cure.
    """
    for package, (malicious, safe, advisory) in ADVISORIES.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            continue
        if found in malicious or Version(found) < Version(safe):
            raise DiscoError(
                f"{package} {found} is unsafe: {advisory}", do="pip install -c constraints.txt -e '.[dev]'"
            )
