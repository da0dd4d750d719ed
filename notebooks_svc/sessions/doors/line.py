"""Whose certificates are believed on the line to a site: the system's, or those of an authority of the sites' own."""

from __future__ import annotations

import ssl
from functools import lru_cache

from django.conf import settings


def authority() -> ssl.SSLContext | bool:
    """For `verify` of a request to a site."""
    return _context(settings.SITE_CA) if settings.SITE_CA else True


@lru_cache(maxsize=4)
def _context(path: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)
