"""Names of countries and legal forms as people read them."""

from __future__ import annotations

import pycountry


def country_name(code: str) -> str:
    """A country's name by its two letters."""
    country = pycountry.countries.get(alpha_2=code)
    return getattr(country, "common_name", country.name) if country else code


def legal_form_words(form: str) -> str:
    """A legal form as people read it: "a research organisation"."""
    words = form.replace("_", " ")
    return {"other": "of another legal form"}.get(form, f"{'an' if words[0] in 'aeiou' else 'a'} {words}")
