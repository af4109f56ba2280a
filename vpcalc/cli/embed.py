"""``vpcalc embed``."""

from __future__ import annotations

from .options import Format, FormatOption, OutputOption, argument, option
from .output import emit, finish


def embed(
    files: list[str] = argument("FILE…", "Markdown, HTML, LaTeX, Typst or reStructuredText."),
    check: bool = option(False, "--check", "Write nothing; print what is stale and end with 1 if anything is."),
    trust: bool = option(
        False, "--trust", "Run code that a marker names (attn.py:make): for documents of your own."
    ),
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Fill the marked blocks of documents with what vpcalc prints now.

    A block begins with a comment that holds a command and ends with another:

    <!-- vpcalc: formula msa --format latex --> … <!-- /vpcalc -->   in Markdown and HTML;
    % vpcalc: … and % /vpcalc in LaTeX, // in Typst, .. in reStructuredText.

    With plot and draw it is a picture: plot crossover -o crossover.svg writes the file beside the document and
    shows it, and --check finds one that is stale or missing.

    Examples:  vpcalc embed paper.tex README.md
               vpcalc embed --check paper.tex
    """
    from ..answers.embed import embed as ask

    result = ask(files, check=check, trust=trust)
    if format is not Format.TABLE or output is not None:
        emit(result, format, output)
        return
    if check and not result.ok:
        print(result.diff())
    for document in result.documents:
        noun = "block" if document.blocks == 1 else "blocks"
        print(f"{document.name}: {document.blocks} {noun}, {document.stale} {'stale' if check else 'refreshed'}")
    finish(result)
