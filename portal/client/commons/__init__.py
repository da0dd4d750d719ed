"""
Granted datasets, read with one ordinary line: `pd.read_parquet("commons://<slug>/<file>")`.

In a session of Compute Commons, and on its Dask workers, this needs no set-up: address and token are in the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dataset import Dataset, open_dataset, path
    from .portal import AccessDenied, CommonsError, datasets

__all__ = ["AccessDenied", "CommonsError", "Dataset", "datasets", "open_dataset", "path"]
_PORTAL = ("AccessDenied", "CommonsError", "datasets")


def __getattr__(name: str) -> Any:
    """Load what is asked for: `commons.credentials` runs for every key and needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{'portal' if name in _PORTAL else 'dataset'}", __name__), name)
