"""Granted datasets, read with one ordinary line: `pd.read_parquet("commons://<slug>/<file>")`."""
