"""`up`, `status`, `test`, `check_all`."""

from __future__ import annotations

import argparse
import importlib
import time

from .layout import Layout, layout_read, up_read


def run(command: str, argv: list[str]) -> int:
    """Run a command of the door; returns the exit code."""
    return {"up": up, "status": status, "test": test, "check_all": check_all, "bench": bench, "draw": draw}[command](argv)


def up(argv: list[str]) -> int:
    """Start everything on this machine and stay until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="manage.py up", description=up.__doc__)
    parser.add_argument(
        "--no-demo", action="store_true", help="without demo people and data; prints a link for the first operator"
    )
    parser.add_argument(
        "--site",
        choices=["local", "slurm"],
        help="run notebooks as processes of this machine, or on a Slurm site in a box (root)",
    )
    options = parser.parse_args(argv)
    from .supervisor import Supervisor

    return Supervisor(layout_read(demo=False if options.no_demo else None, site=options.site)).run()


def status(argv: list[str]) -> int:
    """Show each part: whether it answers, its process, since when, its log. Exit code 0 when all answer."""
    argparse.ArgumentParser(prog="manage.py status", description=status.__doc__).parse_args(argv)
    layout = layout_read()
    known = up_read(layout)
    if not known:
        print(f"Nothing is up on {layout.home}. Start it: python3 manage.py up")
        return 3
    layout = Layout(layout.home, known["port_base"], layout.demo, layout.site)
    from .parts import parts

    print(f"{known['url']}   supervisor {known['pid']}   state {layout.home}")
    good = True
    for part in parts(layout):
        facts = known["parts"].get(part.name, {})
        answers = part.answers() if part.name not in ("worker", "reconciler") else _pulse_fresh(layout, part.name)
        good = good and answers
        minutes = (time.time() - facts.get("started", time.time())) / 60
        print(
            f"  {part.name:<11} {'answers' if answers else 'SILENT ':<8} pid {facts.get('pid', '-'):<8} "
            f"for {minutes:6.1f} min   restarts {facts.get('restarts', 0)}   {layout.logs / (part.name + '.log')}"
        )
    return 0 if good else 1


def _pulse_fresh(layout: Layout, name: str) -> bool:
    try:
        return time.time() - (layout.run / f"{name}.pulse").stat().st_mtime < 30
    except OSError:
        return False


def test(argv: list[str]) -> int:
    """Run linters, contracts and the whole suite."""
    from .testing import run_tests

    return run_tests(argv)


def check_all(argv: list[str]) -> int:
    """Run linters and contracts only."""
    from .testing import run_checks

    argparse.ArgumentParser(prog="manage.py check_all", description=check_all.__doc__).parse_args(argv)
    return run_checks()


def bench(argv: list[str]) -> int:
    """Print figures beside their floors, one line each: `name: ratio 0.83 (aim ≥ 0.5)`."""
    parser = argparse.ArgumentParser(prog="manage.py bench", description=bench.__doc__)
    parser.add_argument("subject", choices=["catalogue", "launch", "ledger", "objects", "pages", "programme", "slurm"])
    parser.add_argument("--long", action="store_true", help="with the largest tables")
    options = parser.parse_args(argv)
    importlib.import_module(f"tests.benchmarks.{options.subject}").run(long=options.long)
    return 0


def draw(argv: list[str]) -> int:
    """Draw the pictures in docs/ from the code."""
    argparse.ArgumentParser(prog="manage.py draw", description=draw.__doc__).parse_args(argv)
    from docs.draw import main

    main()
    return 0
