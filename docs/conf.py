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

project = "vpcalc"
author = copyright = "The vpcalc developers"
version = release = vpcalc.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "**/README.md"]
html_theme = "furo"
html_title = f"vpcalc {version}"
html_static_path = ["_static"]
html_css_files = ["vpcalc.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
pygments_style, pygments_dark_style = "default", "github-dark"

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_dmath_allow_labels = False
# Pages that are still to be written are no broken links: the table of contents takes those that are there.
suppress_warnings = ["toc.empty_glob"]

nitpicky = True
# Types that a signature names and that no page is about.
nitpick_ignore_regex = [("py:.*", r"(?!vpcalc\.)[\w. ]+|vpcalc\.\w+\..*")]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True

_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./((?!docs/)[^)#]*)[^)]*\)")


def _name_what_lies_outside(app: Any, name: str, source: list[str]) -> None:
    """A link to a file of the repository that is no page becomes the file's name: the site stands alone."""
    if name.count("/") == 0:
        source[0] = _OUTSIDE.sub(r"`\2`", source[0])


def setup(app: Any) -> None:
    """Generate the pages that the registries fill, then let Sphinx read them all."""
    mathml.setup(app)
    app.connect("builder-inited", lambda app: generate.write_all(HERE / "generated"))
    app.connect("source-read", _name_what_lies_outside)
