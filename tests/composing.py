"""Configs as the command line would compose them."""

from disco.apps.composing import compose_run as composed_config

__all__ = ["composed_config"]
