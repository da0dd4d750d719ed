"""
What AWS's tools run for a key: `credential_process = python -m commons.credentials`. Standard library alone, because it is
started anew for each key.

It asks the portal with the token of this session, prints the answer, and keeps nothing. `COMMONS_DATASET` (slugs, with commas)
narrows the key for projects that may read more datasets than one key can name.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ATTEMPTS, PAUSE_S, TIMEOUT_S = 4, 0.4, 10


def main() -> int:
    """Print a key as JSON; what went wrong goes to stderr in one line, which the tool shows."""
    base, token = os.environ.get("COMMONS_URL"), os.environ.get("COMMONS_TOKEN")
    if not base or not token:
        return _fail("this is no session of Compute Commons: COMMONS_URL and COMMONS_TOKEN are not set")
    wanted = [slug.strip() for slug in os.environ.get("COMMONS_DATASET", "").split(",") if slug.strip()]
    query = urllib.parse.urlencode([("dataset", slug) for slug in wanted])
    url = f"{base.rstrip('/')}/data/v1/credentials" + (f"?{query}" if query else "")
    if not url.startswith(("http://", "https://")):
        return _fail(f"COMMONS_URL is no address: {base}")
    return _ask(urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"}))  # noqa: S310 (checked above)


def _ask(request: urllib.request.Request) -> int:
    # A proxy of the outside world does not lead to the portal.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    said = ""
    for attempt in range(ATTEMPTS):
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                sys.stdout.write(answer.read().decode())
                return 0
        except urllib.error.HTTPError as error:
            said = _detail(error)
            if error.code not in (429, 500, 502, 503, 504):
                return _fail(said)
        except OSError as error:
            said = f"the portal does not answer ({getattr(error, 'reason', error)})"
        time.sleep(PAUSE_S * 2**attempt)
    return _fail(said)


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"the portal answered {error.code}"


def _fail(said: str) -> int:
    sys.stderr.write(f"commons: {said}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
