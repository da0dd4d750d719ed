"""While one page is drawn, each question is asked once: many parts of a page ask the same. Not for anything that writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_known: ContextVar[dict[Any, Any] | None] = ContextVar("known", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Inside, functions marked `remembered` answer the same question from memory."""
    before = _known.set({})
    try:
        yield
    finally:
        _known.reset(before)


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a read whose answer holds for as long as a page is drawn. Its arguments are hashable and named."""

    @wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        known = _known.get()
        if known is None:
            return function(*args, **kwargs)
        key = _key(asked, kwargs)
        if key not in known:
            known[key] = function(*args, **kwargs)
        answer: R = known[key]
        return answer

    return asked


def answer_known(function: Callable[..., Any], answer: Any, **kwargs: Any) -> None:
    """Say what a remembered function will answer, where the page has read it already."""
    known = _known.get()
    if known is not None:
        known[_key(function, kwargs)] = answer


def _key(function: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    return (function, *sorted(kwargs.items(), key=lambda item: item[0]))
