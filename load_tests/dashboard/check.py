"""Ask a live Prometheus every question of the dashboard and of the rules, and note those without an answer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from load_tests.dashboard.board import board, filled, panels, variables
from load_tests.dashboard.known import series
from load_tests.dashboard.live import Scene
from load_tests.dashboard.promql import quickened, selectors, sides, without_thresholds
from load_tests.dashboard.rules import rules

CONSTANT = "vector(0)"
"""What a number shows where there is nothing to count: an answer, but none of the data's."""


@dataclass(slots=True)
class Found:
    """What was asked, and what had no answer: `empty`, `unknown` (names that nobody exports), `failing` (rules)."""

    panels: int = 0
    queries: int = 0
    rules: int = 0
    empty: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.empty or self.unknown or self.failing)


def values(scene: Scene) -> Mapping[str, str]:
    """What Grafana fills in where everything is chosen and the whole scene is shown."""
    window = f"{round(4 * scene.prometheus.pace.scrape * 1000)}ms"
    everything = dict.fromkeys(("job", "instance", "topic", "label"), ".+")
    return {**everything, "__rate_interval": window, "__range": f"{round(scene.end - scene.start)}s"}


def check(scene: Scene) -> Found:
    """Ask everything once, over the whole scene."""
    found = Found()
    chosen = values(scene)
    model = board()
    for panel in panels(model):
        found.panels += 1
        for expression, legend in panel.queries:
            found.queries += 1
            _note(found, f"{panel.title}, {legend}", expression, _parts(filled(expression, chosen)), scene)
    for name, expression in variables(model).items():
        found.queries += 1
        _note(found, f"variable {name}", expression, [filled(expression, chosen)], scene)
    for annotation in model["annotations"]["list"]:
        found.queries += 1
        _note(found, annotation["name"], annotation["expr"], [filled(annotation["expr"], chosen)], scene)
    for rule in rules():
        found.rules += 1
        expression = quickened(rule["expr"], scene.prometheus.pace.quicken)
        asked = [without_thresholds(side) for side in sides(expression)] + (
            [rule["record"]] if "record" in rule else []
        )
        _note(found, rule.get("alert") or rule["record"], rule["expr"], asked, scene)
    found.failing = scene.prometheus.failing_rules()
    return found


def _note(found: Found, what: str, written: str, asked: Iterable[str], scene: Scene) -> None:
    """`written` is where names are looked up; each of `asked`, and each selector in it, must have an answer."""
    found.unknown += [f"{what}: {name}" for name, _ in selectors(written) if name not in series()]
    for expression in asked:
        for part in [expression, *(f"{name}{matchers}" for name, matchers in selectors(expression))]:
            if not scene.prometheus.ask(part, scene.start, scene.end, scene.prometheus.pace.scrape):
                found.empty.append(f"{what}: {part}")


def _parts(expression: str) -> Iterator[str]:
    return (side for side in sides(expression) if side != CONSTANT)
