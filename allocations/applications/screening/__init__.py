"""Questionnaires about the law as versioned data, and the walk through one. Plain Python."""
