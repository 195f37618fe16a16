"""Curves over time, in panels above each other, each with its own scale; and bars in groups. As SVG text."""
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
    write(path, title, top, out)


def bars(path, title, unit, groups):
    """Groups: (label, [(name, value), ...]); a name has the same colour in all of them."""
    height, names = 240, list(dict.fromkeys(name for _, values in groups for name, _ in values))
    most = nice(max(value for _, values in groups for _, value in values))
    slot = (WIDTH - LEFT - RIGHT) / len(groups)
    top = HEAD + 18
    out = [f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{height}" fill="none" stroke="#bbb"/>']
    for y in (0, most / 2, most):
        out.append(f'<text x="{LEFT - 5}" y="{top + height * (1 - y / most) + 4:.0f}" text-anchor="end">{y:g}</text>')
    out.append(f'<text x="{LEFT}" y="{HEAD - 2}">{html.escape(unit)}</text>')
    for i, name in enumerate(names):
        out.append(f'<text x="{LEFT + 150 * i}" y="{HEAD + 14}" fill="{COLOURS[i % len(COLOURS)]}">{html.escape(name)}</text>')
    for g, (label, values) in enumerate(groups):
        wide = slot * 0.8 / len(values)
        for i, (name, value) in enumerate(values):
            x, tall = LEFT + slot * (g + 0.1) + wide * i, value / most * height
            out.append(f'<rect x="{x:.1f}" y="{top + height - tall:.1f}" width="{wide - 1:.1f}" height="{tall:.1f}" '
                       f'fill="{COLOURS[names.index(name) % len(COLOURS)]}"/>')
            out.append(f'<text x="{x + wide / 2:.1f}" y="{top + height - tall - 3:.1f}" font-size="9" text-anchor="middle">{value:.3g}</text>')
        out.append(f'<text x="{LEFT + slot * (g + 0.5):.0f}" y="{top + height + 15}" text-anchor="middle">{html.escape(label)}</text>')
    write(path, title, top + height + GAP, out)


def write(path, title, height, out):
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
                    f'<rect width="{WIDTH}" height="{height}" fill="#fff"/><text x="{LEFT}" y="17" font-size="14">{html.escape(title)}</text>'
                    + "\n".join(out) + "</svg>\n")
