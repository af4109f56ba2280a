"""Mathematics as MathML, which browsers set themselves: no script, no network, no images.

docutils converts LaTeX; this file only hooks that into Sphinx.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

_UNKNOWN_TO_DOCUTILS = {
    r"\iff": r"\;\Longleftrightarrow\;",
    r"\dots": r"\ldots",
    "∂": r"\partial ",
    "∏": r"\prod ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "′": "'",
}


_FUNCTION = r"(?:\\operatorname\{\w+\}|\\(?:tanh|sin|cos|ln|log)(?![a-z]))"
_SCRIPTS = r"(?:[\^_](?:\{[^{}]*\}|\w))*"


def to_mathml(latex: str, block: bool) -> str:
    """A ``<math>`` element.

    Raises:
        MathError: docutils cannot read the formula.
    """
    mathml = str(latex2mathml.tex2mathml(_as_docutils_reads(latex), as_block=block))
    # A norm's bars are as high as a line: browsers stretch them to the highest thing in the formula.
    return re.sub(r"<mo(?: [^>]*)?>([‖∥])</mo>", r'<mo stretchy="false">\1</mo>', mathml)


def _as_docutils_reads(latex: str) -> str:
    """The same formula in words that docutils knows, with the spaces that TeX sets around functions."""
    for command, known in _UNKNOWN_TO_DOCUTILS.items():
        latex = latex.replace(command, known)
    # TeX takes one digit for each part of a fraction, docutils both for the first.
    latex = re.sub(r"(\\[td]?frac)\s*(\d)\s*(\d)", r"\1{\2}{\3}", latex)
    latex = re.sub(rf"(?<=[\w)}}])\s*(?={_FUNCTION})", r"\\, ", latex)
    return re.sub(
        rf"({_FUNCTION}{_SCRIPTS})\s*(?=[A-Za-z]|\\(?:theta|alpha|beta|omega|angle)(?![a-z]))", r"\1\\, ", latex
    )


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
