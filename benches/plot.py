"""Curves over time as SVG text: panels above each other, each with its own scale."""
import html

WIDTH, LEFT, RIGHT, HEAD, GAP = 760, 52, 12, 40, 30
COLOURS = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b7791f", "#555555"]


def nice(most):
    """A round number not below."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if factor * step >= most:
                return factor * step
        step *= 10


def spans(points):
    """Runs without a hole (None)."""
    run = []
    for x, y in points:
        if y is None:
            if run:
                yield run
            run = []
        else:
            run.append((x, y))
    if run:
        yield run


def draw(path, title, unit, panels):
    """Panels: (label, height, [(name or None, [(x, y), ...]), ...]); `unit` is that of x."""
    end = max(x for _, _, curves in panels for _, points in curves for x, _ in points)
    out, top = [], HEAD
    for label, height, curves in panels:
        most = nice(max([y for _, points in curves for _, y in points if y is not None] + [1]))
        place = lambda x, y: (LEFT + x / end * (WIDTH - LEFT - RIGHT), top + height - max(0, min(y, most)) / most * height)
        out.append(f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{height}" fill="none" stroke="#bbb"/>')
        for y in (0, most / 2, most):
            out.append(f'<text x="{LEFT - 5}" y="{place(0, y)[1] + 4:.0f}" text-anchor="end">{y:g}</text>')
        out.append(f'<text x="{LEFT}" y="{top - 6}">{html.escape(label)}</text>')
        names = [(name, COLOURS[i % len(COLOURS)]) for i, (name, _) in enumerate(curves) if name]
        for i, (name, colour) in enumerate(names):
            x = WIDTH - RIGHT - 120 * (len(names) - i)
            out.append(f'<text x="{x}" y="{top - 6}" fill="{colour}">{html.escape(name)}</text>')
        for i, (name, points) in enumerate(curves):
            for run in spans(points):
                line = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in run)
                thin = 1.2 if name else 0.6
                out.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[i % len(COLOURS)]}" stroke-width="{thin}"/>')
        top += height + GAP
    for i in range(5):
        x = LEFT + i * (WIDTH - LEFT - RIGHT) / 4
        anchor = "end" if i == 4 else "middle"
        out.append(f'<text x="{x:.0f}" y="{top - 12}" text-anchor="{anchor}">{end * i / 4:.0f}{" " + unit if i == 4 else ""}</text>')
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif" font-size="12">'
                    f'<rect width="{WIDTH}" height="{top}" fill="#fff"/><text x="{LEFT}" y="17" font-size="14">{html.escape(title)}</text>'
                    + "\n".join(out) + "</svg>\n")
