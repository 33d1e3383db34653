"""Nodes of ComfyUI: this folder, copied into its ``custom_nodes``."""

import importlib.util

if importlib.util.find_spec("crosschroma") is None:
    raise ImportError(
        "crosschroma is not installed for ComfyUI's Python; with that, run pip install CHECKOUT"
    )

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
