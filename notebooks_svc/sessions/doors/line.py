"""Whose certificates are believed on the line to a site: the system's, or those of an authority of the sites' own."""

from __future__ import annotations

import ssl
from functools import lru_cache

import httpx
from django.conf import settings


def authority() -> ssl.SSLContext:
    """For `verify` of a request to a site. Certificates are read once: to read them takes longer than most questions do."""
    return _context(settings.SITE_CA)


@lru_cache(maxsize=4)
def _context(path: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path) if path else httpx.create_ssl_context()
