"""What every part of a call's document stands on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SizeClass = Literal["micro", "small", "medium", "large"]
LegalForm = Literal[
    "company", "cooperative", "sole_trader", "charity", "non_profit", "research_organisation", "public_body", "other"
]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Pool = Annotated[str, Field(pattern=r"^pool:[a-z0-9-]+$", max_length=60)]


class Part(BaseModel):
    """Base of every part: a word that is not known is refused, so that a typing error never becomes a missing rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)
