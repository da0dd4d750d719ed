"""Names of countries, legal forms and spans of years as people read them."""

from __future__ import annotations

import pycountry

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def years_words(years: int) -> str:
    """A span of one to ten years: "three years"."""
    return f"{NUMBERS[years - 1]} year{'s' * (years != 1)}"


def country_name(code: str) -> str:
    """A country's name by its two letters."""
    country = pycountry.countries.get(alpha_2=code)
    return getattr(country, "common_name", country.name) if country else code


def legal_form_words(form: str) -> str:
    """A legal form as people read it: "a research organisation"."""
    words = form.replace("_", " ")
    return {"other": "of another legal form"}.get(form, f"{'an' if words[0] in 'aeiou' else 'a'} {words}")
