"""The picture of the engine comparison."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of output)

# Told apart by brightness too.
COLOURS = ["#1b4965", "#e07a1f", "#a9b4bd"]


def draw(results, cells, engines, path):
    """One row of bars for each model size, a panel for each cell, grouped bars of the engines for each format."""
    # The same file for the same figures: no random identifiers, no date.
    plt.rcParams.update({"svg.hashsalt": "apus", "svg.fonttype": "none", "font.size": 8, "font.family": "sans-serif"})
    models = list(dict.fromkeys(name.split("-")[0] for name in results))
    figure, axes = plt.subplots(
        len(models), len(cells), figsize=(2.9 * len(cells), 2.3 * len(models) + 0.5), squeeze=False)
    for model, line in zip(models, axes):
        names = [name for name in results if name.split("-")[0] == model]
        for cell, axis in zip(cells, line):
            panel(axis, [results[name]["tokens_per_s"] for name in names], cell, engines)
            axis.set_xticks(range(len(names)), [name.split("-")[1].upper() for name in names])
            axis.set_title(f"{model}: {cell}", fontsize=8)
        line[0].set_ylabel("tokens/s")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=len(engines), frameon=False)
    figure.tight_layout(rect=(0, 0.3 / figure.get_figheight(), 1, 1))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def panel(axis, rates, cell, engines):
    width = 0.8 / len(engines)
    for index, (engine, colour) in enumerate(zip(engines, COLOURS)):
        places = [place + (index - (len(engines) - 1) / 2) * width for place in range(len(rates))]
        axis.bar(places, [rate[engine].get(cell, 0) for rate in rates], width, label=engine, color=colour)
    axis.spines[["top", "right"]].set_visible(False)
