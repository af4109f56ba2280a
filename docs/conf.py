"""The documentation's set-up: MyST pages and furo; what can be derived is generated before anything is read."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generate  # noqa: E402
import mathml  # noqa: E402

import vpcalc  # noqa: E402

_PROJECT = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")
REPOSITORY = next(iter(re.findall(r'^(?:Repository|Source) = "(.+)"', _PROJECT, re.M)), "")
"""Where the code is, to be linked from every page; as the package says, if it does."""

project = "vpcalc"
author = copyright = "The vpcalc developers"
version = release = vpcalc.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "**/README.md"]
html_theme = "furo"
html_title = f"vpcalc {version}"
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
html_theme_options = html_theme_options if REPOSITORY else {}
html_static_path = ["_static"]
html_css_files = ["vpcalc.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
smartquotes_action = "qe"  # -- begins an option and is no dash
pygments_style, pygments_dark_style = "default", "github-dark"

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_dmath_allow_labels = False
nitpicky = True
# Types and modules that a signature or a docstring names and that no page is about. Functions must be found.
nitpick_ignore_regex = [("py:(class|data|obj|mod|attr)", ".*")]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True

_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./((?!docs/)[^)#]*)[^)]*\)")


def _standing_alone(app: Any, name: str, source: list[str]) -> None:
    """A link to a file of the repository that is no page becomes the file's name.

    The table of contents takes those of its pages that are there.
    """
    if "/" not in name:
        source[0] = _OUTSIDE.sub(r"`\2`", source[0])
    if name == "index":
        lines = source[0].split("\n")
        source[0] = "\n".join(
            line for line in lines if not re.fullmatch("[a-z]+", line) or (HERE / f"{line}.md").exists()
        )


def _both_schemes(app: Any, tree: Any) -> None:
    """Beside a picture that was drawn for dark paper, too, that one; furo shows the one of the reader's scheme."""
    from docutils import nodes

    for image in list(tree.findall(nodes.image)):
        other = image["uri"].removesuffix(".svg") + ".dark.svg"
        place = Path(app.env.doc2path(app.env.docname)).parent / other
        if image["uri"].endswith(".svg") and place.exists():
            dark = image.deepcopy()
            dark["uri"] = other
            image["classes"].append("only-light")
            dark["classes"].append("only-dark")
            image.parent.insert(image.parent.index(image) + 1, dark)


def _live(app: Any, error: Exception | None) -> None:
    """The page that the front page opens with, beside it: one file that loads nothing."""
    if error is None and app.builder.format == "html":
        vpcalc.page("compare").save(Path(app.outdir) / "compare.html")


def setup(app: Any) -> None:
    """Generate the pages that the registries fill, then let Sphinx read them all."""
    mathml.setup(app)
    app.connect("builder-inited", lambda app: generate.write_all(HERE / "generated"))
    app.connect("source-read", _standing_alone)
    app.connect("doctree-read", _both_schemes, priority=400)  # before pictures are collected
    app.connect("build-finished", _live)
