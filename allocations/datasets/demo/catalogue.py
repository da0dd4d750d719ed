"""What the demo's datasets are: real tables, one of each access class."""

from __future__ import annotations

from typing import Any

VERSION, NOTES = "1", "As it ships inside the library named in the provenance, converted to Parquet and CSV."

EL_NINO_TERMS = """\
You accept these terms for your project.

1. You use the table for the purpose of your project and name its source in what you publish.
2. You do not pass the files on. Others find them here.
3. Figures derived from it are yours.

(The table itself is in the public domain. The demo asks for terms to show how a registered dataset works.)"""

DIGITS_TERMS = """\
You accept these terms for your project, if the steward grants it.

1. The data are handwriting of people. You do not try to find out whose.
2. You use it for the purpose you stated, until the day that was granted, and only inside this service.
3. What leaves the service is results: models and figures, not copies of the images."""

DATASETS: list[dict[str, Any]] = [
    {
        "slug": "mauna-loa-co2",
        "title": "Carbon dioxide in air at Mauna Loa, weekly, 1958 to 2001",
        "summary": "The longest record of CO₂ in air, one value a week, and an expansion to 2,284,000 rows to try Dask on.",
        "description": "Weekly means of carbon dioxide (ppm) at the Mauna Loa Observatory, Hawaii, March 1958 to "
        "December 2001. Weeks "
        "without a value are kept, empty.\n\nThe folder stations/ holds the same series for 1,000 imagined stations, 2,284,000 "
        "rows in eight Parquet files. Station s (0 to 999) shifts every value by (s − 499.5) / 1000 ppm; the shifts sum to "
        "zero, so an average over all stations equals that of the real series.",
        "access_class": "open",
        "commercial_use": True,
        "licence": "LicenseRef-public-domain",
        "licence_url": "https://creativecommons.org/publicdomain/mark/1.0/",
        "domain": "Climate",
        "keywords": ["carbon dioxide", "time series", "air"],
        "country": "US",
        "publisher": "Scripps Institution of Oceanography; Carbon Dioxide Information Analysis Center",
        "source": "statsmodels.datasets.co2, obtained from CDIAC on 15 March 2014. A column `year` was added. The "
        "folder stations/ is "
        "made by allocations/datasets/demo/tables.py, which says how.",
        "source_url": "http://cdiac.ornl.gov/trends/co2/sio-keel-flask/sio-keel-flaskmlo_c.html",
        "citation": "Keeling, C.D. and T.P. Whorf. 2004. Atmospheric CO2 concentrations derived from flask air samples "
        "at sites in "
        "the SIO network. In Trends: A Compendium of Data on Global Change. Carbon Dioxide Information Analysis Center, Oak "
        "Ridge National Laboratory, U.S. Department of Energy, Oak Ridge, Tennessee, U.S.A.",
        "preview_public": True,
    },
    {
        "slug": "el-nino",
        "title": "Sea surface temperature off Peru (El Niño 1+2), monthly, 1950 to 2010",
        "summary": "How warm the Pacific was each month where El Niño begins. One click on the terms, then it is yours to use.",
        "description": "Monthly mean sea surface temperature in degrees Celsius of the Pacific between 0 and 10 degrees "
        "south and 90 "
        "and 80 degrees west, 1950 to 2010. One row for each month.",
        "access_class": "registered",
        "commercial_use": True,
        "commercial_note": "name the source",
        "licence": "LicenseRef-public-domain",
        "licence_url": "https://creativecommons.org/publicdomain/mark/1.0/",
        "domain": "Climate",
        "keywords": ["sea surface temperature", "time series", "ocean"],
        "country": "PE",
        "publisher": "National Oceanic and Atmospheric Administration, National Weather Service",
        "source": "statsmodels.datasets.elnino (ERSST.V3B, Nino 1+2), turned from twelve columns into one row for each month.",
        "source_url": "http://www.cpc.ncep.noaa.gov/data/indices/",
        "citation": "National Oceanic and Atmospheric Administration's National Weather Service. ERSST.V3B dataset, Nino 1+2.",
        "preview_public": True,
        "terms": EL_NINO_TERMS,
    },
    {
        "slug": "handwritten-digits",
        "title": "Handwritten digits, 8 × 8 pixels",
        "summary": "1,797 digits written by 13 people, as grey values. The steward decides who may use them.",
        "description": "Each row is one digit: 64 grey values from 0 to 16, and the digit that was written. From forms "
        "filled in by 43 "
        "people; these are the 13 who were kept apart for testing.",
        "access_class": "controlled",
        "commercial_use": True,
        "commercial_note": "with attribution",
        "licence": "CC-BY-4.0",
        "licence_url": "https://creativecommons.org/licenses/by/4.0/",
        "domain": "Images",
        "keywords": ["handwriting", "classification"],
        "country": "TR",
        "duo_codes": ["GRU", "US"],
        "publisher": "E. Alpaydin, C. Kaynak, Boğaziçi University; UCI Machine Learning Repository",
        "source": "sklearn.datasets.load_digits: the test part of Optical Recognition of Handwritten Digits, unchanged.",
        "source_url": "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        "citation": "Alpaydin, E. and Kaynak, C. (1998). Optical Recognition of Handwritten Digits. UCI Machine "
        "Learning Repository. "
        "https://doi.org/10.24432/C50P49",
        "preview_public": False,
        "terms": DIGITS_TERMS,
    },
]
