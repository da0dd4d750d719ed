"""Puts a running demo into situations, as its people would by the HTTP API: an application that is written, sent, judged."""

from __future__ import annotations

from typing import Any

from .up import Up

ANSWERS: dict[str, Any] = {
    "problem": "Fish rot between the boat and the market.",
    "plan": "Read the loggers, fit a model of spoilage, test it on last year, ship it to ten boats.",
    "stage": "prototype",
    "compute_why": "Three hours a day on the small size for twenty days.",
    "personal_data": False,
    "civil_use": True,
}
REVIEWERS = ("reviewer-a", "reviewer-b")


class Story:
    """Steps in the life of applications. Each returns what the API answered."""

    def __init__(self, up: Up) -> None:
        self.up = up

    def firm(self, who: str) -> int:
        """The person's enterprise."""
        return self._ok(who, "GET", "/organisations")["items"][0]["id"]

    def drafted(self, who: str = "rival", *, title: str = "Cold chain", credits: int = 400, **answers: Any) -> str:
        """An application to the build call that could be sent as it is; its number."""
        body = {
            "call": "build",
            "organisation": self.firm(who),
            "title": title,
            "answers": {**ANSWERS, **answers},
            "requested": {"credits": str(credits), "months": 3, "resources": [self.up.resource]},
        }
        return self._ok(who, "POST", "/applications", json=body)["id"]

    def sent(self, who: str = "rival", **facts: Any) -> str:
        """One that was sent."""
        code = self.drafted(who, **facts)
        self._ok(who, "POST", f"/applications/{code}/submit")
        return code

    def asked(self, who: str = "rival", **facts: Any) -> str:
        """One in review: both reviewers were asked."""
        code = self.sent(who, **facts)
        emails = [f"{name}@commons.example" for name in REVIEWERS]
        self._ok("officer", "POST", f"/applications/{code}/assign", json={"reviewers": emails})
        return code

    def judged(self, who: str = "rival", *, scores: tuple[int, int] = (4, 3), **facts: Any) -> str:
        """One whose reviews are in."""
        code = self.asked(who, **facts)
        for name, score in zip(REVIEWERS, scores, strict=True):
            review = self.review(name, code)
            self._ok(name, "POST", f"/reviews/{review}/conflict", json={"has_conflict": False})
            given = [{"criterion": key, "score": score, "reason": f"It is worth {score}."} for key in ("value", "plan", "fit")]
            body = {"scores": given, "recommended": {"credits": "300"}}
            self._ok(name, "POST", f"/reviews/{review}/submit", json=body)
        return code

    def decided(self, who: str = "rival", *, outcome: str = "award", **facts: Any) -> str:
        """One that was decided."""
        code = self.judged(who, **facts)
        body: dict[str, Any] = {"outcome": outcome, "reason": "The reviewers say why."}
        if outcome == "award":
            body |= {"credits": "300", "months": 3, "resources": [self.up.resource]}
        self._ok("officer", "POST", f"/applications/{code}/decide", json=body)
        return code

    def review(self, name: str, code: str) -> int:
        """The number of a reviewer's review of an application."""
        rows = self._ok(name, "GET", "/reviews?limit=200")["items"]
        return next(row["id"] for row in rows if row["application"] == code)

    def _ok(self, who: str, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        answer = self.up.api(who, method, path, **kwargs)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()
