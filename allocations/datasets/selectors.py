"""Reads about datasets."""

from __future__ import annotations


def dataset_choices() -> list[tuple[str, str, str]]:
    """Published datasets for a form: slug, title, access class."""
    return []
