"""Writes benchmarks/scaling.md out of what scaling.py found: the whole, and training."""

from statistics import median

import numpy as np
import scaling_page_class
from scaling_text import load, middle, spread, table, text
from scaling_training import EPOCHS, IMAGES, ROUNDS

Found = dict


def page(found: dict[str, Found]) -> str:
    """The page; of a part that was not measured it says so."""
    blocks = head(found) + ["## Training"]
    for part, write in TRAINING.items():
        blocks += write(found[part]) if part in found else [absent(part)]
    blocks += same(found) + scaling_page_class.blocks(found, absent)
    return "\n\n".join(blocks) + "\n"


def absent(part: str) -> str:
    return f"*{part}: not measured yet; `make bench-scaling PARTS={part}` does.*"


def head(found: dict[str, Found]) -> list[str]:
    abouts = [part["about"] for part in found.values()]
    machines = sorted({f"{about['processor']}, {about['cores']} cores" for about in abouts})
    versions = sorted({f"{n} {a[n]}" for a in abouts for n in ("torch", "jupyterlab", "ipykernel")})
    dates = sorted({about["date"] for about in abouts})
    return [
        "# How cost grows",
        text(
            "`make bench-scaling` measures it and writes this page, all of it or by parts",
            '(`PARTS="batch width"`).',
            f"{', '.join(dates)}; {', '.join(machines)}; {', '.join(versions)}.",
            "In brackets after a table: the machine's load average when its part began. Where",
            "epochs of one setting are far apart other work was on the machine, and only the",
            "fastest says something of it.",
        ),
    ]


def same(found: dict[str, Found]) -> list[str]:
    """What the one setting that several tables share took in each of them."""
    shared = {"data": IMAGES, "batch": 128, "width": 400, "latent": 20}
    seen = {
        part: middle(row)
        for part, value in shared.items()
        for row in found.get(part, {}).get("rows", [])
        if row["value"] == value
    }
    if len(seen) < 2:
        return []
    return [
        text(
            "**How far to trust these.** One setting stands in several tables (60,000 images,",
            "batches of 128, width 400, 20 dimensions):",
            f"{', '.join(f'{name} {seconds:.2f} s' for name, seconds in seen.items())}.",
            "So one part differs from another by up to",
            f"{max(seen.values()) / min(seen.values()):.2f} times; rows of one table took turns",
            "and compare, rows of two do not.",
        )
    ]


def data(part: Found) -> list[str]:
    rows = part["rows"]
    line = next(middle(r) / r["value"] for r in rows if r["value"] == IMAGES)
    ratios = [middle(r) / (line * r["value"]) for r in rows]
    among = median(max(r["seconds"]) / min(r["seconds"]) for r in rows)
    return [
        text(
            "784-400-20-400-784, Bernoulli, genuine MNIST made 0/1 once, `fit` as it stands",
            "(float32, eager), batches of 128. Seconds an epoch: the median (least to most) of",
            f"{ROUNDS * (EPOCHS - 1)} epochs in {ROUNDS} runs, the settings of a table in turn;",
            "the first epoch of a run is not counted.",
        ),
        "### Against the number of images",
        table(
            "images | s/epoch | linear through 60,000 | ratio",
            [
                [f"{r['value']:,}", spread(r), f"{line * r['value']:.2f}", f"{ratio:.2f}"]
                for r, ratio in zip(rows, ratios, strict=True)
            ],
        ),
        text(
            load(part),
            f"From {min(ratios):.2f} to {max(ratios):.2f} times the line, where the epochs of one",
            f"setting differ among themselves by {among:.2f} times (slowest over fastest, the",
            "median of the settings). An epoch is so many steps of one size; only the drawing of",
            "their order looks at all the images. Above 60,000 the images come again.",
        ),
    ]


def mapped(part: Found) -> list[str]:
    rows = part["rows"]
    base = next(middle(r) / r["value"] for r in rows if r["way"] == "memory")
    cost = [middle(r) / (base * r["value"]) for r in rows]
    return [
        "### From a file mapped into memory",
        table(
            "images in | images | GiB | s/epoch | linear | ratio | MiB added at most",
            [
                [
                    *(r["way"], f"{r['value']:,}", f"{r['gib'] / 2**30:.2f}", spread(r)),
                    *(f"{base * r['value']:.2f}", f"{ratio:.2f}", f"{r['added']:.0f}"),
                ]
                for r, ratio in zip(rows, cost, strict=True)
            ],
        ),
        text(
            load(part),
            "The last column is what training added to the process's memory at its peak. A row",
            f"from a file costs {cost[1]:.2f} to {cost[-1]:.2f} of one in memory: after each batch",
            "its pages are let go of, and the next batch's have to be mapped again, each row with",
            "its neighbours. The files were in the system's own cache; where they are not, the",
            "disk's seconds come on top.",
        ),
    ]


def series(part: Found, label: str) -> str:
    """The table of a part; `perfect` and `rest` are added to its rows."""
    for r in part["rows"]:
        r["perfect"] = r["operations"] / part["rate"]
        r["ratio"] = middle(r) / r["perfect"]
        r["rest"] = middle(r) - r["products"] - r["adam"]
    heads = "steps | thousand weights | s/epoch | perfect | ratio | products | Adam | the rest"
    return table(
        f"{label} | {heads}",
        [
            [
                *(r["value"], f"{r['steps']:,}", f"{r['weights'] / 1e3:,.0f}", spread(r)),
                *(f"{r['perfect']:.2f}", f"{r['ratio']:.1f}"),
                *(f"{r[name]:.2f}" for name in ("products", "adam", "rest")),
            ]
            for r in part["rows"]
        ],
    )


def fixed_cost(rows: list[Found]) -> tuple[float, float]:
    """Seconds of a step and of an example: the line that is nearest in ratio to the rows."""
    counts = np.array([[r["steps"], IMAGES] for r in rows]) / [[middle(r)] for r in rows]
    step, example = np.linalg.lstsq(counts, np.ones(len(rows)), rcond=None)[0]
    return float(step), float(example)


def batch(part: Found) -> list[str]:
    shown, rows = series(part, "batch"), part["rows"]
    step, example = fixed_cost(rows)
    first, best = rows[0], min(rows, key=lambda r: r["ratio"])
    return [
        "### Against the batch size",
        text(
            "*Perfect* is the operations of the linear layers, forward and backward, at the best",
            "rate that a square matrix product reached in this very run,",
            f"{part['rate'] / 1e9:.0f} GFLOP/s. *Products* is those layers alone at these shapes,",
            "*Adam* its step alone, each timed by itself at its fastest; *the rest* is what",
            "remains of the epoch.",
        ),
        shown,
        text(
            load(part),
            f"A step costs about {1e3 * step:.2f} ms, and {1e6 * example:.1f} µs for each example",
            "in it (the line nearest to all rows in ratio; perfect would be 0 and",
            f"{1e6 * first['perfect'] / IMAGES:.1f}). Batches of {first['value']} make",
            f"{first['steps']:,} steps, and {min(1, first['steps'] * step / middle(first)):.0%} of",
            "their epoch is that fixed cost: Adam",
            f"goes through all weights whatever the batch ({first['adam']:.1f} s), and PyTorch",
            f"starts as many operations for {first['value']} rows as for {rows[-1]['value']:,}.",
            f"Nearest to perfect is a batch of {best['value']}, at {best['ratio']:.1f} times:",
            f"there {best['products'] / middle(best):.0%} of the epoch are products, and",
            f"{best['rest'] / middle(best):.0%} neither these nor Adam: the rows fetched, each",
            "layer's numbers written and read again for every ReLU, logarithm and sum.",
        ),
    ]


def width(part: Found) -> list[str]:
    shown, (first, *_, last) = series(part, "width"), part["rows"]
    return [
        "### Against the width of the hidden layers",
        shown,
        text(
            load(part),
            f"Perfect is at {part['rate'] / 1e9:.0f} GFLOP/s. From first row to last the",
            f"operations grow {last['operations'] / first['operations']:.0f} times, the seconds",
            f"{middle(last) / middle(first):.0f} times. A narrow model is fixed cost:",
            f"{first['rest'] / middle(first):.0%} of its epoch is neither products nor Adam. Of",
            f"the widest Adam is {last['adam'] / middle(last):.0%}: {last['weights'] / 1e6:.1f}",
            f"million weights with gradient and two moments are {16 * last['weights'] / 2**20:.0f}",
            "MiB to go through at every step; larger batches, which make fewer steps, are the",
            "cure.",
        ),
    ]


def latent(part: Found) -> list[str]:
    shown, (first, *_, last) = series(part, "latent dimensions"), part["rows"]
    return [
        "### Against the number of latent dimensions",
        shown,
        text(
            load(part),
            f"Perfect is at {part['rate'] / 1e9:.0f} GFLOP/s. {last['value'] / first['value']:.0f}",
            f"times the dimensions are {last['operations'] / first['operations']:.2f} times the",
            f"operations, as the layers of 784 × 400 stay, and {middle(last) / middle(first):.2f}",
            "times the seconds. What grows besides is ε, which one thread draws, and the KL.",
        ),
    ]


def processes(part: Found) -> list[str]:
    lines, told = [], []
    for size in dict.fromkeys(r["batch"] for r in part["rows"]):
        of = {(r["processes"], r["threads"]): r for r in part["rows"] if r["batch"] == size}
        one, two = middle(of[1, 1]), of[2, 1]
        for (count, threads), r in of.items():
            perfect = one / (count * threads)
            exchange = f"{r['exchange']:.2f}" if count > 1 else ""
            cells = size, count, threads, spread(r), f"{perfect:.2f}", f"{middle(r) / perfect:.2f}"
            lines.append([*cells, exchange])
        told.append(
            f"{middle(two):.2f} s for {one:.2f} in batches of {size}, of which "
            f"{two['exchange']:.2f} s are the exchange"
        )
    return [
        "### Against the processes",
        text(
            "`torchrun` with gloo on one machine; the processes share each batch. *Perfect* is one",
            "process with one thread, divided by all threads. *Exchange*: the sum of the gradients",
            "over the processes by itself, at its fastest, as often as there are steps.",
        ),
        table(
            "batch | processes | threads each | s/epoch | perfect | ratio | exchange, s/epoch",
            lines,
        ),
        text(
            load(part),
            f"Two processes take {'; '.join(told)}. Each also draws the whole batch's noise,",
            "fetches all its rows, and takes Adam's whole step, so that two give the same model as",
            "one: none of that is halved. Two that wait for each other also suffer most from any",
            "other work on the machine.",
        ),
    ]


TRAINING = {
    "data": data,
    "mapped": mapped,
    "batch": batch,
    "width": width,
    "latent": latent,
    "processes": processes,
}
