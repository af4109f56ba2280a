"""A formula as a passage: set apart, with what its symbols stand for and where it holds."""

from __future__ import annotations

import html
from collections.abc import Sequence

from .markup import escape_tex, escape_typst
from .sentences import condition, tex

Glossary = Sequence[tuple[str, str]]
"""Symbols as the target language spells them, each with its meaning."""


def text(formula: str, glossary: Glossary, valid: str) -> str:
    """Plain lines."""
    holds = [f"holds for {valid}"] if valid else []
    lines = [*(f"{symbol}: {meaning}" for symbol, meaning in glossary), *holds]
    return "\n".join([formula, "", *lines] if lines else [formula])


def python(formula: str, glossary: Glossary, valid: str) -> str:
    """The expression, then comments."""
    first, *rest = text(formula, glossary, valid).splitlines()
    return "\n".join([first, *(f"# {line}" for line in rest if line)])


def latex(formula: str, glossary: Glossary, valid: str) -> str:
    """A displayed equation and the sentence that follows it."""
    sentence = _sentence([(f"${symbol}$", escape_tex(meaning)) for symbol, meaning in glossary], tex(valid))
    return "\n".join([r"\[", f"  {formula}", r"\]", *sentence])


def typst(formula: str, glossary: Glossary, valid: str) -> str:
    """The same for Typst; blanks inside the dollar signs display the formula."""
    terms = [(f"${symbol}$", escape_typst(meaning)) for symbol, meaning in glossary]
    return "\n".join([f"$ {formula} $", *_sentence(terms, escape_typst(valid))])


def markdown(formula: str, glossary: Glossary, valid: str) -> str:
    """The same for Markdown, from LaTeX's spelling."""
    sentence = _sentence([(f"${symbol}$", meaning) for symbol, meaning in glossary], valid)
    return "\n\n".join([f"$$\n{formula}\n$$", *sentence])


def mathml(formula: str, glossary: Glossary, valid: str) -> str:
    """The same for HTML, from MathML's spelling."""
    sentence = _sentence([(symbol, html.escape(meaning)) for symbol, meaning in glossary], html.escape(valid))
    displayed = formula.replace("<math ", '<math display="block" ', 1)
    return "\n".join([displayed, *(f"<p>{line}</p>" for line in sentence)])


PASSAGES = {"text": text, "latex": latex, "typst": typst, "mathml": mathml, "python": python, "markdown": markdown}
"""The passages by the spelling of their formula; Markdown's formula is spelled in LaTeX."""


def _latex_stated(formula: str, valid: str) -> str:
    where = rf"\text{{for }} {condition(valid)}"
    if where.count(r",\ ") > 2:  # too much for the rest of a line
        return rf"\begin{{gathered}} {formula} \\ {where} \end{{gathered}}"
    return rf"{formula} \quad{where}"


def _typst_stated(formula: str, valid: str) -> str:
    quoted = valid.replace('"', "'")
    return f'{formula} quad "for {quoted}"'


STATED = {"latex": _latex_stated, "typst": _typst_stated}
"""A formula with where it holds, as one formula."""


def _sentence(glossary: Glossary, valid: str) -> list[str]:
    """What stands below the formula, or nothing."""
    parts = ["where " + "; ".join(f"{symbol}: {meaning}" for symbol, meaning in glossary)] if glossary else []
    parts += [f"it holds for {valid}" if glossary else f"for {valid}"] if valid else []
    return ["; ".join(parts) + "."] if parts else []
