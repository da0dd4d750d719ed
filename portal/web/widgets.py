"""Controls of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms


class ReadyWords(forms.Textarea):
    """
    A text one begins from ready-made words: the first stand in it already, the others can be chosen and edited (choosing needs
    JavaScript; without it the first stand there and the list is not shown).

    :param ready: pairs of a short name and the words
    """

    template_name = "web/components/ready_words.html"

    def __init__(self, ready: Sequence[tuple[str, str]], attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 4, **(attrs or {})})
        self.ready = ready

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["ready"] = self.ready
        return context
