"""Mathematics as MathML, which browsers set themselves: no script, no network, no images.

docutils converts LaTeX; this file only hooks that into Sphinx.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

_UNKNOWN_TO_DOCUTILS = {
    r"\iff": r"\;\Longleftrightarrow\;",
    "∂": r"\partial ",
    "∏": r"\prod ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "′": "'",
}


def to_mathml(latex: str, block: bool) -> str:
    """A ``<math>`` element.

    Raises:
        MathError: docutils cannot read the formula.
    """
    for command, known in _UNKNOWN_TO_DOCUTILS.items():
        latex = latex.replace(command, known)
    return str(latex2mathml.tex2mathml(latex, as_block=block))


def _write(translator: Any, node: Any, block: bool) -> None:
    latex = node.astext().strip()
    try:
        translator.body.append(to_mathml(latex, block))
    except MathError as error:
        logging.getLogger(__name__).warning("%s in %r", error, latex, location=node)
        translator.body.append(f"<code>{translator.encode(latex)}</code>")
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Register the renderer; ``html_math_renderer = "mathml"`` chooses it."""
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(lambda translator, node: _write(translator, node, block=False), None),
        block_renderers=(lambda translator, node: _write(translator, node, block=True), None),
    )
