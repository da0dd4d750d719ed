"""What is asked: the call's own questions, and the ones whose answers a rule looks at."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import Key, LegalForm, Part, SizeClass

DataClass = Literal["public", "internal", "personal", "special", "trade_secret"]
AttachmentKind = Literal["pdf", "png", "jpeg", "csv", "text", "docx", "xlsx"]


class ShowIf(Part):
    """The question is asked when another one was answered so."""

    key: Key
    any_of: list[str | bool] = Field(min_length=1)


class Question(Part):
    """One question of the form."""

    key: Key
    label: str = Field(max_length=200)
    help: str = ""
    page: str = Field(default="Your project", max_length=40, description="questions of one page follow each other")
    kind: Literal["text", "long_text", "number", "choice", "choices", "yes_no", "date"] = "text"
    required: bool = True
    words_max: int | None = Field(default=None, ge=1, le=5000)
    number_min: Decimal | None = None
    number_max: Decimal | None = None
    choices: list[tuple[Key, str]] = []
    show_if: ShowIf | None = None

    @model_validator(mode="after")
    def _choices_where_wanted(self) -> Self:
        if (self.kind in ("choice", "choices")) != bool(self.choices):
            raise ValueError(f"question {self.key}: choices belong to kinds choice and choices, and only there")
        return self


class Attachment(Part):
    """A file that is asked for. Its type is read from its content, not from its name."""

    key: Key
    label: str = Field(max_length=200)
    help: str = ""
    required: bool = False
    kinds: list[AttachmentKind] = Field(default=["pdf"], min_length=1)
    size_mb_max: Annotated[int, Field(ge=1, le=50)] = 10


class Lead(Part):
    """Rules about the person who leads the work; the portal then asks who that is."""

    positions: list[tuple[Key, str]] = Field(min_length=1, description="who may lead, in words the applicant chooses from")
    contract_months_after: int | None = Field(
        default=None,
        ge=0,
        le=60,
        description="the lead's contract runs at least so many months beyond the last month asked for",
    )
    why: str


class Activity(Part):
    """A class of activity and the organisations that may carry it out; none named means any."""

    key: Key
    label: str = Field(max_length=200)
    legal_forms: list[LegalForm] = []
    size_classes: list[SizeClass] = []
    why: str = ""


class DataRule(Part):
    """Which classes of data may be worked on; the portal then asks which it will be."""

    allowed: list[DataClass] = Field(min_length=1)
    why: str
