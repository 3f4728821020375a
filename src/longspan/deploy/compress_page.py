"""The frontier of a model's variants as a page: a figure, a table, and what is recommended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from longspan.deploy.frontier import Frontier, Variant
from longspan.report import Document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["frontier_figure", "frontier_rows", "write_frontier"]


def write_frontier(path: str | Path, frontier: Frontier, *, title: str) -> None:
    """Write one HTML file.

    Args:
        path: Of the page.
        frontier: What was measured.
        title: Of the page.
    """
    target, metric = next(iter(frontier.metrics.items()))
    page = Document(title, subtitle=frontier.recommendation())
    best = frontier.recommended
    page.headline("recommended", "nothing" if best is None else best.name)
    page.headline(metric, frontier.original.metrics[target], "original")
    if best is not None:
        page.headline(metric, best.metrics[target], best.name)
        page.headline("times as quick", round(frontier.speedup(best, best.latencies[0].threads), 2), "batch 1")
    page.section("Frontier").text(
        f"All were measured on the same {frontier.rows:,} held-out rows. Times are from encoded rows to predictions, "
        "in a process for each file, in turn. Bars are 95 % intervals of the difference to the original. A variant is "
        f"recommended if its median at batch 1 is at least 5 % below the original's with every number of threads, and "
        f"its loss is at most {frontier.max_drop:g}."
    )
    page.figure(frontier_figure(frontier))
    page.table(frontier_rows(frontier))
    page.section("Latency").table(
        {
            "variant": each.name, "threads": one.threads, "batch": one.batch, "p50, ms": one.p50_ms,
            "p99, ms": one.p99_ms, "times as quick": round(frontier.speedup(each, one.threads, one.batch), 2),
        }
        for each in frontier.variants
        for one in each.latencies
    )  # fmt: skip
    made = [each for each in frontier.variants if each.notes]
    if made:
        page.section("How they were made").table(
            {"variant": each.name, "what": ", ".join(f"{k.replace('_', ' ')}: {v}" for k, v in each.notes.items())}
            for each in made
        )
    if frontier.left_out:
        page.section("Left out").table({"variant": name, "why": why} for name, why in frontier.left_out.items())
    page.section("Environment").environment(frontier.environment)
    page.save(path)


def frontier_rows(frontier: Frontier) -> list[dict[str, object]]:
    """A row for each variant, with its main figures."""
    return [_row(frontier, each) for each in frontier.variants]


def _row(frontier: Frontier, variant: Variant) -> dict[str, object]:
    row: dict[str, object] = {"variant": variant.name}
    for target, metric in frontier.metrics.items():
        name = metric if len(frontier.metrics) == 1 else f"{target}.{metric}"
        row[name] = round(variant.metrics[target], 4)
        loss = variant.losses.get(target)
        row[f"loss of {name}"] = "" if loss is None else f"{loss.lost:+.4f} ({loss.low:+.4f} to {loss.high:+.4f})"
    first = variant.latencies[0].threads
    row["p50, ms"] = variant.latency(first, 1).p50_ms
    row["times as quick"] = round(frontier.speedup(variant, first), 2)
    row["MB"] = variant.megabytes
    row["memory, MB"] = variant.memory_mb
    row["verdict"] = "" if variant is frontier.original else frontier.verdict(variant) or "quicker, within the loss"
    return row


def frontier_figure(frontier: Frontier) -> Figure:
    """The main metric of the first target over the median latency at batch 1, for each number of threads."""
    from longspan.report.canvas import BAD, COLOURS, FAINT, INK, new_axes, plain

    target, metric = next(iter(frontier.metrics.items()))
    threads = list(dict.fromkeys(each.threads for each in frontier.original.latencies))
    sheet, panels = new_axes(len(threads), width_px=360 * len(threads), height_px=320)
    best = frontier.recommended
    for axes, count in zip(panels, threads, strict=True):
        for variant in frontier.variants:
            x, y = variant.latency(count, 1).p50_ms, variant.metrics[target]
            loss = variant.losses.get(target)
            colour = INK if loss is None else COLOURS[2] if variant is best else COLOURS[0]
            if loss is not None:
                scale = 1.0 if frontier.better[target] == "higher" else -abs(frontier.original.metrics[target])
                ends = [frontier.original.metrics[target] - scale * each for each in (loss.low, loss.high)]
                axes.plot([x, x], ends, color=colour, linewidth=1, alpha=0.5)
            axes.plot([x], [y], "o", color=colour, markersize=5)
            axes.annotate(plain(variant.name), (x, y), textcoords="offset points", xytext=(6, 4), fontsize=8, color=INK)
        first = frontier.original
        drop = frontier.max_drop * (1.0 if frontier.better[target] == "higher" else -abs(first.metrics[target]))
        axes.axhline(first.metrics[target] - drop, color=BAD, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.axvline(first.latency(count, 1).p50_ms, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set(xlabel=f"median at batch 1, ms ({count} thread{'s' * (count > 1)})", ylabel=plain(metric))
        axes.set_xlim(left=0)
        axes.margins(x=0.18, y=0.12)
    return sheet
