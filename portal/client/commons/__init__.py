"""
Granted datasets, read with one ordinary line: `pd.read_parquet("commons://<slug>/<file>")`.

In a session of Compute Commons, and on its Dask workers, this needs no set-up: address and token are in the environment.
"""

from __future__ import annotations

from .dataset import Dataset, open_dataset, path
from .portal import AccessDenied, CommonsError, datasets

__all__ = ["AccessDenied", "CommonsError", "Dataset", "datasets", "open_dataset", "path"]
