"""The parts of a call's document, one subject per file. `document.py` puts them together."""
