"""Numbers in; small drawings for index.html out: SVG with a text that says the same."""

import math

from markupsafe import Markup

WIDTH, HEIGHT, EDGE = 180, 26, 8


def target_chart(judged):
    """Where a value lies beside its target and its baseline: dot, bar and diamond on one line; green is reached."""
    given = {"value": judged.value, "target": judged.target, "baseline": judged.baseline}
    drawn = {name: number for name, number in given.items() if number is not None and math.isfinite(number)}
    place = _scale(drawn.values())
    middle, goal = HEIGHT / 2, place(judged.target)
    left, right = (0, goal) if judged.op == "<=" else (goal, WIDTH)
    parts = [
        f'<rect class="goal" x="{left:.1f}" y="4" width="{right - left:.1f}" height="{HEIGHT - 8}"/>',
        f'<path class="axis" d="M0 {middle}H{WIDTH}"/>',
        f'<path class="bound" d="M{goal:.1f} 2V{HEIGHT - 2}"/>',
    ]
    if "baseline" in drawn:
        parts.append(f'<path class="base" d="M{place(drawn["baseline"]) - 5:.1f} {middle}l5 -5 5 5 -5 5z"/>')
    if "value" in drawn:
        missed = "" if judged.reached else " missed"
        parts.append(f'<circle class="value{missed}" cx="{place(drawn["value"]):.1f}" cy="{middle}" r="4.5"/>')
    # What does not beat its baseline already says so.
    baseline = f", baseline {drawn['baseline']:.4g}" if "baseline" in drawn and judged.beats_baseline else ""
    return _svg(parts, f"{judged}{baseline}")


def history_chart(name, values, bound):
    """The values of a metric run after run, with the target as a line; an empty text below two runs."""
    if len(values) < 2:
        return ""
    values = values[-60:]
    place = _scale([*values, bound], HEIGHT, turned=True)
    step = (WIDTH / 2 - 8) / (len(values) - 1)
    points = [(4 + index * step, place(value)) for index, value in enumerate(values)]
    parts = [
        f'<path class="bound" d="M0 {place(bound):.1f}H{WIDTH / 2:g}"/>',
        f'<polyline class="run" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>',
        f'<circle class="value" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="3"/>',
    ]
    said = f"{name} in the last {len(values)} runs like this one: from {values[0]:.4g} to {values[-1]:.4g}"
    return _svg(parts, f"{said}, lowest {min(values):.4g}, highest {max(values):.4g}", WIDTH // 2)


def _scale(numbers, length=WIDTH, turned=False):
    """number -> place on the line; logarithmic where the numbers span more than two decades."""
    logs = min(numbers) > 0 and max(numbers) > 100 * min(numbers)
    measure = math.log10 if logs else float
    low, high = measure(min(numbers)), measure(max(numbers))
    edge = EDGE if not turned else 4

    def place(number):
        share = (measure(number) - low) / (high - low) if high > low else 0.5
        return edge + (1 - share if turned else share) * (length - 2 * edge)

    return place


def _svg(parts, says, width=WIDTH):
    head = Markup('<svg class="chart" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    return head.format(width, HEIGHT, width, HEIGHT, says) + Markup("".join(parts) + "</svg>")
