"""Every address of the portal, read from its URL configuration: what must be complete asks here, and a new address shows up."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from portal.api.root import api

API = "/api/v1"


@dataclass(frozen=True)
class Route:
    """A named page (`applications:detail`), or an operation of the API (`GET /applications/{code}`)."""

    name: str
    pattern: str
    methods: tuple[str, ...]
    ours: bool = True

    def address(self, values: dict[str, Any]) -> str:
        """
        The address, with what stands in its brackets filled in: `values` by the first part of the address and the name of the
        bracket (`applications/code`), or by the name alone.
        """
        first = self.pattern.removeprefix(API).lstrip("/").split("/")[0]
        return re.sub(r"[<{](?:\w+:)?(\w+)[>}]", lambda m: str(values.get(f"{first}/{m[1]}", values.get(m[1]))), self.pattern)


def pages() -> list[Route]:
    """All addresses outside of the API that have a name, allauth's (not `ours`) among them."""
    found = _walk(get_resolver().url_patterns, "", ())
    return sorted({route.name: route for route in found}.values(), key=lambda route: route.name)


def operations() -> list[Route]:
    """All operations of the API."""
    paths = api.get_openapi_schema()["paths"]
    return [
        Route(f"{method.upper()} {path.removeprefix(API)}", path, (method.upper(),))
        for path, methods in sorted(paths.items())
        for method in methods
    ]


def _walk(patterns: list[Any], prefix: str, names: tuple[str, ...]) -> Iterator[Route]:
    for one in patterns:
        here = prefix + str(one.pattern)
        if isinstance(one, URLResolver) and one.namespace == "api":
            continue  # its operations are read from its own description
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, here, (*names, one.namespace) if one.namespace else names)
        elif isinstance(one, URLPattern) and one.name:
            ours = not one.callback.__module__.startswith("allauth")
            yield Route(":".join((*names, one.name)), f"/{here}", _methods(one.callback), ours)


def _methods(view: Callable[..., Any]) -> tuple[str, ...]:
    """What `require_POST` and its like let pass; a view without them takes GET, and POST when it looks at one."""
    inner: Any = view
    while inner is not None:
        if hasattr(inner, "view_class"):
            return tuple(name.upper() for name in ("get", "post") if hasattr(inner.view_class, name))
        code = getattr(inner, "__code__", None)
        if code is not None and "request_method_list" in code.co_freevars:
            cell = inner.__closure__[code.co_freevars.index("request_method_list")]
            return tuple(method for method in cell.cell_contents if method != "HEAD")
        view, inner = inner, getattr(inner, "__wrapped__", None)
    return ("GET", "POST") if re.search(r'request\.POST|method == "POST"', inspect.getsource(view)) else ("GET",)
