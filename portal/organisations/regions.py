"""Regions below the country, by ISO 3166-2: what programmes report success by, beside country and size."""

from __future__ import annotations

import pycountry

from portal.core.errors import Malformed

SHOWN = 6


def region_read(country: str, given: str) -> str:
    """
    The code of a region from what a person wrote: its code, the part behind the country, its name, or how only one name
    begins. "" stays "".

    :raises Malformed: none of the country's regions, naming some that are
    """
    wanted = given.strip().casefold()
    if not wanted:
        return ""
    rows = list(pycountry.subdivisions.get(country_code=country) or [])
    for row in rows:
        if wanted in (row.code.casefold(), row.code.partition("-")[2].casefold(), row.name.casefold()):
            return str(row.code)
    begun = [row for row in rows if row.name.casefold().startswith(wanted)]
    if len(begun) == 1:  # "Nairobi" for "Nairobi City"
        return str(begun[0].code)
    some = ", ".join(f"{row.name} ({row.code})" for row in sorted(rows, key=lambda row: row.name)[:SHOWN])
    hint = f"Write a code or a name, for example {some}." if some else "Leave it empty: this country has none."
    raise Malformed(f"{given.strip()!r} is no region of {country}. {hint}", field="region")
