"""Documents that keep their figures: what is filled, what is kept, what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vpcalc as package
from vpcalc.embedding import refreshed
from vpcalc.embedding.blocks import find_blocks
from vpcalc.embedding.commands import Printed
from vpcalc.embedding.languages import HTML, LANGUAGES, LATEX, MARKDOWN, RST, TYPST, Language, language_of
from vpcalc.errors import InputError

from .conftest import Run

ROOT = Path(__file__).parent.parent
MSA = "4hwC^{2} + 2(hw)^{2}C"

STUBS = {  # a document with an empty block, and what the block then holds
    "a.md": (
        "# A\n\n<!-- vpcalc: formula msa --format latex -->\nold\n<!-- /vpcalc -->\n\nend\n",
        f"\n$$\n{MSA}\n$$\n\n",
    ),
    "b.md": ("> <!-- vpcalc: formula msa -->\n> <!-- /vpcalc -->\n", ">\n> 4hwC² + 2(hw)²C\n>\n"),
    "c.tex": (
        "\\begin{equation}\n  % vpcalc: formula msa --format latex\n  % /vpcalc\n\\end{equation}\n",
        f"  {MSA}\n",
    ),
    "d.html": (
        "<p>\n<!--vpcalc: formula msa --format mathml-->\n<!--/vpcalc-->\n</p>\n",
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow><mrow><mn>4</mn>',
    ),
    "e.typ": ("$\n// vpcalc: formula msa --format typst\n// /vpcalc\n$\n", "4 h w C^2 + 2 (h w)^2 C\n"),
    "f.rst": (
        "A\n=\n\n.. vpcalc: formula msa --format latex\n.. /vpcalc\n\nend\n",
        f"\n.. math::\n\n   {MSA}\n\n",
    ),
    "g.md": (
        "<!-- vpcalc: formula msa --steps -->\n<!-- /vpcalc -->\n",
        "\n```console\n$ vpcalc formula msa --steps\nMSA: multiply-accumulates",
    ),
    "h.tex": (
        "% vpcalc: compare --h 8 --w 8 --no-check --format latex --columns layer,macs --rows msa\n% /vpcalc\n",
        "\\begin{tabular}{lr}\n\\toprule\nLayer & MACs (M) \\\\\n\\midrule\nMSA & 3.146 \\\\\n",
    ),
}


def embed(tmp_path: Path, name: str, text: str, **options: bool) -> bytes:
    """The bytes of a document after ``vpcalc.embed``."""
    path = tmp_path / name
    path.write_bytes(text.encode())
    package.embed(path, **options)
    return path.read_bytes()


@pytest.mark.parametrize("name", STUBS)
def test_a_block_is_filled_and_then_fresh(tmp_path: Path, name: str) -> None:
    stub, content = STUBS[name]
    new = embed(tmp_path, name, stub).decode()
    assert content in new
    kept = [line for line in stub.splitlines() if line != "old"]
    assert [line for line in new.splitlines() if line in kept][: len(kept)] != []
    assert new.startswith(stub[: stub.index("vpcalc")])
    assert new.endswith(stub[stub.rindex("/vpcalc") :])
    again = package.embed(tmp_path / name, check=True)
    assert again.ok
    assert again.documents[0].stale == 0


def test_a_figure_within_a_line(tmp_path: Path) -> None:
    stub = (
        "It is <!-- vpcalc: formula msa --format latex -->?<!-- /vpcalc -->, "
        "or <!-- vpcalc: formula wmsa --><!-- /vpcalc -->; `<!-- vpcalc: ls -->` is code.\n"
    )
    new = embed(tmp_path, "a.md", stub).decode()
    assert f"-->${MSA}$<!--" in new
    assert "-->4hwC² + 2M²hwC<!--" in new
    assert new.endswith("; `<!-- vpcalc: ls -->` is code.\n")
    page = embed(tmp_path, "a.html", "<b><!-- vpcalc: figure swin_t --><!-- /vpcalc --></b>").decode()
    assert page == "<b><!-- vpcalc: figure swin_t -->4.491 G<!-- /vpcalc --></b>"


def test_a_block_on_one_line_is_opened_up(tmp_path: Path) -> None:
    new = embed(tmp_path, "a.md", "> <!-- vpcalc: formula msa --> <!-- /vpcalc -->\r\n").decode()
    assert new == "> <!-- vpcalc: formula msa -->\r\n>\r\n> 4hwC² + 2(hw)²C\r\n>\r\n> <!-- /vpcalc -->\r\n"
    assert package.embed(tmp_path / "a.md", check=True).ok


EXAMPLES = {
    "a.md": "```html\n<!-- vpcalc: ls -->\n```\n\n~~~~\n```\n<!-- vpcalc: ls -->\n~~~\n~~~~\n",
    "b.tex": "\\begin{verbatim}\n% vpcalc: ls\n\\end{verbatim}\n% vpcalc counts this paper\n100\\% vpcalc: x\n",
    "c.rst": "For example::\n\n   .. vpcalc: ls\n\n.. code-block:: rst\n\n   .. vpcalc: ls\n",
    "d.typ": "```typ\n// vpcalc: ls\n```\nsee https://vpcalc: x\n",
    "e.md": "The tool vpcalc: none of this is a marker. <!-- see vpcalc -->\n",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_marker_that_is_only_shown_is_left_alone(tmp_path: Path, name: str) -> None:
    assert embed(tmp_path, name, EXAMPLES[name]).decode() == EXAMPLES[name]


# -- what is kept -----------------------------------------------------------------------------------------

BLOCK = "<!-- vpcalc: formula msa -->\n<!-- /vpcalc -->"
FILLED = "<!-- vpcalc: formula msa -->\n\n4hwC² + 2(hw)²C\n\n<!-- /vpcalc -->"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "BOM"])
def test_line_ends_and_byte_order_mark(tmp_path: Path, newline: str, mark: str) -> None:
    rest = "\n\nrest ²\u2028 \x0b no line end here"
    new = embed(tmp_path, "a.md", f"{mark}{BLOCK}{rest}".replace("\n", newline))
    assert new == f"{mark}{FILLED}{rest}".replace("\n", newline).encode()


def test_mixed_line_ends_stay_where_they_are(tmp_path: Path) -> None:
    new = embed(tmp_path, "a.tex", "a\r\nb\n% vpcalc: formula msa --format latex\n% /vpcalc\r\nc\r\n")
    assert new == f"a\r\nb\n% vpcalc: formula msa --format latex\n{MSA}\n% /vpcalc\r\nc\r\n".encode()


def test_permissions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(BLOCK)
    path.chmod(0o751)
    package.embed(path)
    assert path.stat().st_mode & 0o7777 == 0o751


def test_a_link_keeps_pointing(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "a.md"
    real.write_text(BLOCK)
    link = tmp_path / "link.md"
    link.symlink_to(Path("real") / "a.md")
    done = package.embed([link, real])
    assert len(done.documents) == 1
    assert link.is_symlink()
    assert "4hwC²" in real.read_text()


def test_a_fresh_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(BLOCK)
    package.embed(path)
    before = path.stat()
    package.embed(path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


pieces = ["vpcalc", "<!--", "-->", "```", "%", "//", "..", "::", *"ab `~/<!->.:\\\r\n\t²é\u2028"]
texts = st.lists(st.sampled_from(pieces), max_size=40).map("".join)


@given(texts, st.sampled_from(LANGUAGES))
def test_any_text_is_read_or_refused_in_one_line(text: str, language: Language) -> None:
    complaint = ""
    blocks = []
    try:
        blocks = find_blocks(text, language, "a")
    except InputError as error:
        complaint = str(error)
    assert "\n" not in complaint
    assert all(block.start <= block.end for block in blocks)


@given(texts, texts)
def test_what_stands_around_a_block_is_kept(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str
) -> None:
    folder = tmp_path_factory.mktemp("around")
    if any(word in before + after for word in ("vpcalc", "```", "~~~")):
        return
    stub = f"{before}\n{BLOCK}\n{after}"
    new = embed(folder, "a.md", stub).decode()
    assert new == f"{before}\n{FILLED}\n{after}"


def test_what_stands_in_quotes_is_text(tmp_path: Path) -> None:
    """``<`` and ``>`` compare there; outside they would be a shell's."""
    stub = "<!-- vpcalc: models --where 'params > 11G and macs < 7T' --columns id -->\n<!-- /vpcalc -->\n"
    assert "t5_11b" in embed(tmp_path, "a.md", stub).decode()


# -- pictures ---------------------------------------------------------------------------------------------

PLOT = "plot stages vgg11 -o figures/stages"
SHOWN = "vgg11: stage 3 takes 36 % of 7.609 GMACs"

PICTURES = {  # a document with a marker for a picture, and the line that shows it
    "a.md": (f"<!-- vpcalc: {PLOT}.svg -->\n<!-- /vpcalc -->\n", f"![{SHOWN}](figures/stages.svg)"),
    "b.html": (f"<!-- vpcalc: {PLOT}.png --><!-- /vpcalc -->", f'<img src="figures/stages.png" alt="{SHOWN}">'),
    "c.tex": (f"% vpcalc: {PLOT}.pdf\n% /vpcalc\n", r"\includegraphics{figures/stages.pdf}"),
    "d.typ": (f"// vpcalc: {PLOT}.svg\n// /vpcalc\n", f'#image("figures/stages.svg", alt: "{SHOWN}")'),
    "e.rst": (f".. vpcalc: {PLOT}.svg\n.. /vpcalc\n", f".. image:: figures/stages.svg\n   :alt: {SHOWN}"),
    "f.md": (f"It <!-- vpcalc: {PLOT}.svg --><!-- /vpcalc -->.\n", f"-->![{SHOWN}](figures/stages.svg)<!--"),
}


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_beside_its_document(tmp_path: Path, name: str) -> None:
    stub, shown = PICTURES[name]
    before = package.embed(written(tmp_path, name, stub), check=True)
    assert not before.ok
    assert "stages" in before.documents[0].diff()
    assert not (tmp_path / "figures").exists()
    assert shown in embed(tmp_path, name, stub).decode()
    (picture,) = (tmp_path / "figures").iterdir()
    first = picture.read_bytes()
    assert package.plot_stages("vgg11").draw(picture.suffix[1:]) == first
    again = package.embed(tmp_path / name, check=True)
    assert (again.ok, again.documents[0].stale) == (True, 0)
    stamp = picture.stat().st_mtime_ns
    package.embed(tmp_path / name)
    assert picture.stat().st_mtime_ns == stamp


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def illustrated(tmp_path: Path) -> tuple[Path, Path]:
    """A fresh document and its picture."""
    embed(tmp_path, "a.md", PICTURES["a.md"][0])
    return tmp_path / "a.md", tmp_path / "figures" / "stages.svg"


def test_a_stale_picture_is_found(illustrated: tuple[Path, Path], inside: Run) -> None:
    document, picture = illustrated
    good = picture.read_bytes()
    others = {
        "another plot": package.plot_stages("vgg13").draw("svg"),
        "another width": package.plot_stages("vgg11").draw("svg", width=3.4),
        "without its title": package.plot_stages("vgg11").draw("svg", title=False),
        "changed by hand": good.replace(b"#0072B2", b"#0072b3").replace(b"#009e73", b"#009e74"),
        "cut short": good[:-100],
    }
    for what, other in others.items():
        assert other != good, what
        picture.write_bytes(other)
        done = inside("embed", "--check", str(document))
        assert done.returncode == 1, what
        assert f"{picture}: is not what vpcalc draws now" in done.stdout
        assert "1 block, 1 stale" in done.stdout
    picture.unlink()
    done = inside("embed", "--check", "--format", "json", str(document))
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)["files"]
    assert found["pictures"] == [{"file": str(picture), "state": "missing"}]
    assert inside("embed", str(document)).returncode == 0
    assert picture.read_bytes() == good


def test_another_matplotlib_raises_no_false_alarm(illustrated: tuple[Path, Path]) -> None:
    """Its bytes are others; what they show is not. So it is for a checkout with Windows' ends of lines."""
    from vpcalc.pictures import seal

    document, picture = illustrated
    good = picture.read_bytes()
    shows, _ = seal.read(good) or ("", False)
    other = re.sub(rb"Matplotlib v[\d.]+", b"Matplotlib v9.9.9", good)
    other = other.replace(re.findall(rb"picture \w+ (\w+)", good)[0], b"0" * 32)
    picture.write_bytes(seal.sealed(other))
    assert picture.read_bytes() != good
    assert seal.read(picture.read_bytes()) == (shows, True)
    assert package.embed(document, check=True).ok
    picture.write_bytes(good.replace(b"\n", b"\r\n"))
    assert package.embed(document, check=True).ok


def test_a_check_draws_nothing(illustrated: tuple[Path, Path]) -> None:
    code = (
        f"import sys, vpcalc; assert vpcalc.embed({str(illustrated[0])!r}, check=True).ok; "
        "assert not {'matplotlib', 'torch', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_that_vpcalc_did_not_draw_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    photo = tmp_path / "figures" / "stages.svg"
    photo.write_bytes(b"<?xml version='1.0'?><svg/>")
    with pytest.raises(InputError, match=r"a.md:1: .*is there and was not drawn by vpcalc"):
        embed(tmp_path, "a.md", PICTURES["a.md"][0])
    assert photo.read_bytes() == b"<?xml version='1.0'?><svg/>"


OUTSIDE = (
    "../a.svg",
    "/tmp/a.svg",
    "out/a.svg",
    "b/../../a.svg",
    "'a b.svg'",
    "~/a.svg",
    ".b/a.svg",
    "./../a.svg",
)


@pytest.mark.parametrize("place", OUTSIDE)
def test_a_picture_stays_below_its_document(tmp_path: Path, place: str) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match=r"must be a path below the document|leads out of the document's folder"):
        embed(papers, "a.md", f"<!-- vpcalc: plot stages vgg11 -o {place} -->\n<!-- /vpcalc -->\n")
    assert list(tmp_path.rglob("*.svg")) == []


def test_two_markers_may_share_a_file_only_for_one_picture(tmp_path: Path) -> None:
    stub = PICTURES["a.md"][0]
    assert package.embed([written(tmp_path, name, stub) for name in ("a.md", "b.md")]).ok
    written(tmp_path, "b.md", stub.replace("vgg11", "vgg13"))
    with pytest.raises(InputError, match=r"two markers draw .*stages.svg, and not the same"):
        package.embed([tmp_path / "a.md", tmp_path / "b.md"])


def test_where_one_picture_cannot_be_drawn_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = package.answers.plot.Plot.draw  # type: ignore[attr-defined]

    def failing(plot: Any, format: str, **options: Any) -> bytes:
        if format == "png":
            raise InputError("no ink")
        return bytes(draw(plot, format, **options))

    monkeypatch.setattr(package.answers.plot.Plot, "draw", failing)  # type: ignore[attr-defined]
    stub = PICTURES["a.md"][0] + PICTURES["a.md"][0].replace(".svg", ".png")
    with pytest.raises(InputError, match="no ink"):
        embed(tmp_path, "a.md", stub)
    assert (tmp_path / "a.md").read_text() == stub
    assert not (tmp_path / "figures").exists()


# -- what is refused --------------------------------------------------------------------------------------

REFUSED = {  # what stands on line 3 of a Markdown file: what the error says after the line's number
    "<!-- vpcalc: formula msa; touch FLAG -->": "';' has no meaning here: a marker is one vpcalc command",
    "<!-- vpcalc: formula $(touch FLAG) -->": "'$' has no meaning",
    "<!-- vpcalc: formula `touch FLAG` -->": "'`' has no meaning",
    "<!-- vpcalc: formula msa && touch FLAG -->": "'&' has no meaning",
    "<!-- vpcalc: formula msa | tee FLAG -->": "'|' has no meaning",
    "<!-- vpcalc: formula msa \x1b[31m -->": "has no meaning",
    "<!-- vpcalc: models --where macs<1G -->": "'<' has no meaning",
    '<!-- vpcalc: models --where "macs<$(FLAG)" -->': "'$<' has no meaning",
    "<!-- vpcalc: models --where 'macs<1G' > FLAG -->": "'>' has no meaning",
    "<!-- vpcalc: formula 'msa -->": "no closing quotation",
    "<!-- vpcalc: touch FLAG -->": "command 'touch' is not known",
    "<!-- vpcalc: fromula msa -->": "did you mean formula?",
    "<!-- vpcalc: vpcalc formula msa -->": "leave the word vpcalc out",
    "<!-- vpcalc: --version -->": "a marker begins with a command",
    "<!-- vpcalc: -->": "the marker names no command",
    "<!-- vpcalc: embed a.md -->": "embed cannot stand in a marker",
    "<!-- vpcalc: plot crossover -->": "give -o FILE.svg for a picture, or --format for its numbers",
    "<!-- vpcalc: plot crosover -o a.svg -->": "'crosover' is not known; did you mean crossover",
    "<!-- vpcalc: plot -o a.svg crossover -->": "what follows plot '-o' is not known",
    "<!-- vpcalc: plot -->": "what follows plot '' is not known; known: crossover",
    "<!-- vpcalc: plot crossover -o a.svgz -->": "a picture's name must end with one of .svg, .pdf, .png",
    "<!-- vpcalc: plot crossover -o FLAG --format csv -->": "a marker writes no file but its own",
    "<!-- vpcalc: plot crossover -o ../a.svg -->": "must be a path below the document",
    "<!-- vpcalc: plot crossover --load evil.py -o a.svg -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: plot stages evil.py:make -o a.svg -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: draw evil.py:make -o a.svg -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: theory rnn_bound --plot a.svg -->": "a marker writes no file but its own",
    "<!-- vpcalc: formula msa -o FLAG -->": "a marker writes no file but its own",
    "<!-- vpcalc: formula msa --output=FLAG -->": "a marker writes no file but its own",
    "<!-- vpcalc: derive evil.py:make -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: derive os.path:join -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: derive ffn --inputs evil.py:make -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: derive ffn --price aten::mm=evil.py:make -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: audit vit_b_16 --price aten::mm=evil.py:make -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: derive transformers:bert --input 1,N --arg attn_implementation=OWNER/NAME -->": "'OWNER/NAME'",
    "<!-- vpcalc: derive timm:resnet18 --input 1,3,H,W --arg checkpoint_path=FLAG -->": "checkpoint_path=FLAG",
    "<!-- vpcalc: derive timm:resnet18 --input 1,3,H,W --arg checkpoint_path=F -->": "--arg checkpoint_path=F:",
    "<!-- vpcalc: audit transformers:bert --tokens 8 --set trust_remote_code=true -->": "trust_remote_code=True",
    "<!-- vpcalc: audit torchvision:resnet18 --input 224 --arg weights=DEFAULT -->": "weights=DEFAULT: loads",
    "<!-- vpcalc: derive transformers:bert --input 1,N --arg hidden_act=gelu -->": "hidden_act=gelu: cannot",
    "<!-- vpcalc: derive transformers:bert --input 1,N --arg hidden_size=big -->": "must be a number, true",
    "<!-- vpcalc: check 4hwC --against evil.py:make -->": "a marker runs no code but vpcalc's own",
    "<!-- vpcalc: formula evil.py:make --input 1,N,C -->": "--trust allows code, if the document is yours",
    "<!-- vpcalc: model timm=evil.py:make swin_t --input 8 -->": "--trust allows code, if the document is yours",
    "<!-- vpcalc: formula transformers:bert --input 1,N --arg hidden_act=gelu -->": "hidden_act=gelu: cannot",
    "<!-- vpcalc: check 4N --against timm:x --input 1,3,H,W --arg checkpoint_path=F -->": "checkpoint_path=F:",
    "<!-- vpcalc: prove msa --backend dask -->": "starts nothing on other machines",
    "<!-- vpcalc: formula mssa -->": "formula 'mssa' is not known; did you mean msa",
    "<!-- vpcalc: formula msa --format postscript -->": "'postscript'",
    "<!-- vpcalc: formula msa --hlep -->": "--hlep",
    "<!-- vpcalc: formula msa --help -->": "prints no result",
    "<!-- vpcalc: check 4hwC --against msa -->": "ended with status 1: a check does not hold",
    "<!-- vpcalc formula msa -->": "is neither 'vpcalc: COMMAND' nor '/vpcalc'",
    "<!-- Vpcalc: formula msa -->": "is neither 'vpcalc: COMMAND' nor '/vpcalc'",
    "<!-- vpcalc: formula msa": "must end with --> on the line on which it begins",
    "text <!-- vpcalc: formula msa -->": "must stand alone on its line, or have <!-- /vpcalc --> behind it",
    "a <!-- vpcalc: formula msa --> a <!-- vpcalc: formula wmsa -->": "a marker within the block before it",
    "a <!-- vpcalc: formula msa --> a <!-- /vpcalc --> <!-- vpcalc: models -->": "the last block on this line",
    "a <!-- vpcalc: formula msa --steps --><!-- /vpcalc -->": "its output has more than one line",
    "<!-- vpcalc: formula msa --><!-- /vpcalc --> is text": "a word must precede",
    "- <!-- vpcalc: formula msa --><!-- /vpcalc --> is text": "a word must precede",
    "a <!-- /vpcalc --> <!-- vpcalc: formula msa -->": "/vpcalc ends nothing",
    "<!-- vpcalc: formula " + "m" * 3000 + " -->": "a marker of 3016 characters",
}


@pytest.mark.parametrize("marker", REFUSED, ids=lambda marker: marker[:60])
def test_a_marker_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    monkeypatch.chdir(tmp_path)
    stub = f"{BLOCK}\n{marker}\n" + ("" if "/vpcalc" in marker else "<!-- /vpcalc -->\n")
    Path("a.md").write_text(stub, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        package.embed("a.md")
    assert str(caught.value).startswith("a.md:3: ")
    assert REFUSED[marker] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Path("a.md").read_text(encoding="utf-8") == stub
    assert os.listdir() == ["a.md"]


def test_a_document_of_ones_own_may_name_code(tmp_path: Path) -> None:
    """Its figure is fresh, or stale when the module changes."""
    (tmp_path / "own.py").write_text(
        "from torch import nn\n\n\ndef make(dim):\n    return nn.Linear(dim, 2 * dim)\n"
    )
    page = tmp_path / "a.md"
    page.write_text("<!-- vpcalc: formula own.py:make --input 1,N,C --arg dim=C -->\n<!-- /vpcalc -->\n")
    with pytest.raises(InputError, match="--trust"):
        package.embed(page)
    assert package.embed(page, trust=True).ok
    assert "2NC²" in page.read_text(encoding="utf-8")
    assert package.embed(page, trust=True, check=True).ok
    (tmp_path / "own.py").write_text(
        "from torch import nn\n\n\ndef make(dim):\n    return nn.Linear(dim, 3 * dim)\n"
    )
    assert not package.embed(page, trust=True, check=True).ok
    page.write_text("<!-- vpcalc: formula msa -o FLAG -->\n<!-- /vpcalc -->\n")
    with pytest.raises(InputError, match="writes no file"):
        package.embed(page, trust=True)


SHAPES = {  # documents whose markers do not pair: the line that the error names, and what it says
    f"{BLOCK[:28]}\nunclosed\n": (1, "the block has no end; <!-- /vpcalc --> must follow"),
    f"x\n<!-- vpcalc: formula msa -->\n{BLOCK}\n<!-- /vpcalc -->\n": (3, "within the block that line 2 begins"),
    "x\n\n<!-- /vpcalc -->\n": (3, "<!-- /vpcalc --> ends nothing"),
    "<!-- vpcalc: formula msa -->\nx <!-- /vpcalc -->\n": (2, "must stand alone on its line"),
}


@pytest.mark.parametrize("stub", SHAPES)
def test_markers_that_do_not_pair(tmp_path: Path, stub: str) -> None:
    line, complaint = SHAPES[stub]
    path = tmp_path / "a.md"
    with pytest.raises(InputError, match=complaint) as caught:
        embed(tmp_path, "a.md", stub)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert path.read_text() == stub


@pytest.mark.parametrize(
    ("name", "stub"),
    [
        ("a.tex", "\\[ % vpcalc: formula msa --format latex\n% /vpcalc\n\\]\n"),
        ("a.tex", "% vpcalc: formula msa --format latex\nx % /vpcalc\n"),
        ("a.tex", "% vpcalc = formula msa\n"),
        ("a.tex", "% /vpcalc\n"),
        ("a.typ", "a // vpcalc: formula msa\n// /vpcalc\n"),
        ("a.rst", ".. vpcalc: formula msa\n\n.. vpcalc: formula msa\n.. /vpcalc\n"),
        ("a.rst", ".. vpcalc formula msa --format latex\n"),
    ],
)
def test_the_other_languages_are_as_strict(tmp_path: Path, name: str, stub: str) -> None:
    with pytest.raises(InputError):
        embed(tmp_path, name, stub)
    assert (tmp_path / name).read_text() == stub


def test_a_command_whose_output_looks_like_a_marker_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<!-- vpcalc: formula msa -->\n<!-- /vpcalc -->\n")
    for text in ("<!-- /vpcalc -->", "<!-- vpcalc: x -->"):
        with pytest.raises(InputError):
            refreshed(str(path), lambda arguments, folder, text=text: Printed(text, "html"))  # type: ignore[misc]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    latin = tmp_path / "latin.md"
    latin.write_bytes(f"caf\xe9\n{BLOCK}\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.md: is not UTF-8 \(byte 4\)"):
        package.embed(latin)
    assert latin.read_bytes().startswith(b"caf\xe9")
    wide = tmp_path / "wide.md"
    wide.write_bytes(BLOCK.encode("utf-16"))
    with pytest.raises(InputError, match="is not UTF-8"):
        package.embed(wide)
    for name, complaint in (
        ("no.md", r"FILE: no file .*no\.md"),
        ("a.docx", "ending '.docx' is not one of .md"),
        ("", "ending"),
    ):
        with pytest.raises(InputError, match=complaint):
            package.embed(tmp_path / name)
    (tmp_path / "dangling.md").symlink_to("nowhere.md")
    with pytest.raises(InputError, match="no file"):
        package.embed(tmp_path / "dangling.md")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(InputError, match=r"folder.md"):
        package.embed(tmp_path / "folder.md")
    with pytest.raises(InputError, match="at least one"):
        package.embed([])


def test_a_read_only_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(BLOCK)
    path.chmod(0o444)
    with pytest.raises(InputError, match="is read-only"):
        package.embed(path)
    assert path.read_text() == BLOCK
    assert os.listdir(tmp_path) == ["a.md"]
    assert not package.embed(path, check=True).ok  # looking is allowed


def test_a_file_that_changes_underneath_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(BLOCK)

    def run(arguments: list[str], folder: Path) -> Printed:
        path.write_text("the author's own change")
        return Printed("new", "plain")

    with pytest.raises(InputError, match="changed in the meantime"):
        package.embed(path, run=run)
    assert path.read_text() == "the author's own change"
    assert os.listdir(tmp_path) == ["a.md"]


def test_where_one_file_fails_none_is_written(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(BLOCK)
    bad.write_text(f"{BLOCK}\n<!-- vpcalc: formula mssa -->\n<!-- /vpcalc -->\n")
    with pytest.raises(InputError, match=r"bad.md:3: "):
        package.embed([good, bad])
    assert good.read_text() == BLOCK


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_process_killed_before_the_rename_leaves_the_old_file(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "a.md"
    path.write_text(BLOCK)
    script = (
        "import os, signal, vpcalc\n"
        f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"vpcalc.embed({str(path)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == BLOCK
    package.embed(path)
    assert "4hwC²" in path.read_text()


# -- the command ------------------------------------------------------------------------------------------


def test_check_prints_a_diff_and_writes_nothing(vpcalc: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(BLOCK)
    stale = vpcalc("embed", "--check", str(path))
    assert (stale.returncode, stale.stderr) == (1, "")
    assert "+4hwC² + 2(hw)²C" in stale.stdout
    assert "--- " in stale.stdout
    assert path.read_text() == BLOCK
    filled = vpcalc("embed", str(path))
    assert (filled.returncode, filled.stdout) == (0, f"{path}: 1 block, 1 refreshed\n")
    fresh = vpcalc("embed", "--check", str(path))
    assert (fresh.returncode, fresh.stdout) == (0, f"{path}: 1 block, 0 stale\n")
    path.write_text(path.read_text().replace("4hwC²", "3hwC²"))
    found = json.loads(vpcalc("embed", "--check", "--format", "json", str(path)).stdout)
    assert (found["check"], found["files"][0]["stale"], found["files"][0]["written"]) == (True, 1, False)
    assert "-3hwC² + 2(hw)²C\n+4hwC² + 2(hw)²C" in found["files"][0]["diff"]


def test_a_refusal_is_one_line_and_status_two(vpcalc: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"{BLOCK}\n<!-- vpcalc: formula msa; ls -->\n<!-- /vpcalc -->\n")
    done = vpcalc("embed", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"vpcalc: {path}:3: ")
    assert done.stderr.count("\n") == 1


def test_what_is_embedded_does_not_depend_on_the_terminal(vpcalc: Run, tmp_path: Path) -> None:
    pages = []
    for number, env in enumerate(({"COLUMNS": "300"}, {"COLUMNS": "40", "FORCE_COLOR": "1"})):
        path = tmp_path / f"{number}.md"
        path.write_text("<!-- vpcalc: compare --h 8 --w 8 --no-check -->\n<!-- /vpcalc -->\n")
        assert vpcalc("embed", str(path), **env).returncode == 0
        pages.append(path.read_text())
    assert pages[0] == pages[1]
    assert "\x1b" not in pages[0]
    assert all(line == line.rstrip() for line in pages[0].splitlines())


def test_a_list_is_found_beside_its_document(tmp_path: Path) -> None:
    (tmp_path / "list.toml").write_text('[figures]\nSwin = { of = "swin_t" }\n')
    new = embed(tmp_path, "a.tex", "% vpcalc: macros list.toml\n% /vpcalc\n").decode()
    assert "\\newcommand{\\Swin}{4.491\\,G}\n" in new
    assert package.embed(tmp_path / "a.tex", check=True).ok


def test_who_trusts_a_document_trusts_its_list(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef make(C):\n    return nn.Linear(C, C)\n")
    entry = '{ of = "net.py:make", input = "1,N,C", arg = { C = "C" } }'
    (tmp_path / "list.toml").write_text(f"[formulas]\nOwn = {entry}\n")
    marker = "% vpcalc: macros list.toml\n% /vpcalc\n"
    with pytest.raises(InputError, match=r"net.py:make is code; --trust runs it"):
        embed(tmp_path, "a.tex", marker)
    assert "\\newcommand{\\Own}{" in embed(tmp_path, "a.tex", marker, trust=True).decode()


def test_running_commands_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    before = (dict(os.environ), os.getcwd(), sys.stdout)
    embed(tmp_path, "a.md", BLOCK)
    with pytest.raises(InputError):
        embed(tmp_path, "b.md", "<!-- vpcalc: formula mssa -->\n<!-- /vpcalc -->\n")
    assert (dict(os.environ), os.getcwd(), sys.stdout) == before


def test_each_command_is_run_once(tmp_path: Path) -> None:
    asked = []

    def run(arguments: list[str], folder: Path) -> Printed:
        asked.append(arguments)
        return Printed("x", "plain")

    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(f"{BLOCK}\n{BLOCK}\n")
    package.embed([tmp_path / "a.md", tmp_path / "b.md"], run=run)
    assert asked == [["formula", "msa"]]


def test_figures_without_a_check_need_neither_torch_nor_sympy(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"{BLOCK}\n\n<!-- vpcalc: model swin_t --no-check -->\n<!-- /vpcalc -->\n")
    script = (
        f"import sys, vpcalc; vpcalc.embed({str(tmp_path / 'a.md')!r})\n"
        "assert not {'torch', 'sympy', 'numpy', 'fvcore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_languages_by_the_files_ending() -> None:
    endings = {"a.md": MARKDOWN, "A.HTML": HTML, "x.tex": LATEX, "x.y.typ": TYPST, "r.rst": RST}
    assert {name: language_of(name) for name in endings} == endings


@pytest.mark.slow
def test_our_own_documents_are_fresh(vpcalc: Run) -> None:
    """README, docs and examples: every figure between markers is what vpcalc prints today."""
    found = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.*")]
    endings = {ending for language in LANGUAGES for ending in language.suffixes}
    documents = [str(path.relative_to(ROOT)) for path in found if path.suffix in endings]
    done = subprocess.run(
        [sys.executable, "-m", "vpcalc", "embed", "--check", *documents],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_notes_of_a_marker_say_which_line_they_are_of(tmp_path: Path, inside: Run) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- vpcalc: formula swin_t -->\n<!-- /vpcalc -->\n")
    (note,) = inside("embed", str(page)).stderr.splitlines()
    assert note == f"vpcalc: {page}:3: holds for H and W multiples of 224 (32·7)"
