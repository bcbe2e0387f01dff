"""What all plots have in common: one file for light and dark pages, the same for the same figures."""

import io
import re

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams.update({
    "svg.fonttype": "path",  # looks the same where the font is missing
    "svg.hashsalt": "tokenvault",  # the same figures give the same file
    "font.family": "DejaVu Sans",
    "font.size": 10,
})

# light -> dark; drawn in light, and a style in the SVG turns each into its partner where the page is dark.
INK, FAINT, PAGE = "#1f2328", "#d0d7de", "#fffffe"
DARK = {INK: "#e6edf3", FAINT: "#30363d", PAGE: "#0d1117"}
# Each colour but the ink has a contrast of 3:1 or more on both backgrounds.
BLUE, ORANGE, GREEN = "#1f77d0", "#d55e00", "#009e73"


def svg(figure):
    """The file's text."""
    out = io.StringIO()
    figure.savefig(out, format="svg", facecolor=PAGE, metadata={"Date": None, "Creator": None})
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}' for light, dark in DARK.items() for kind in ("fill", "stroke")
    )
    style = f"<style>@media(prefers-color-scheme:dark){{{rules}}}</style>"
    text = re.sub(r"(<svg[^>]*>)", lambda tag: tag[1] + "\n " + style, out.getvalue(), count=1)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def dress(panel, title):
    """Title, lines across, and no frame but the ground."""
    panel.set_title(title, color=INK, fontsize=11, fontweight="bold", pad=8)
    panel.grid(axis="y", color=FAINT, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.set_facecolor("none")
    panel.tick_params(colors=INK, labelsize=9, length=0)
    for side, spine in panel.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)
