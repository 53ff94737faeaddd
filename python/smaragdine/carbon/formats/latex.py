"""For a paper: a paragraph, a table, and the entries of its bibliography."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smaragdine.carbon.facts import rows, sentence
from smaragdine.shown import shown

if TYPE_CHECKING:
    from smaragdine.carbon.statement import Statement

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "…": r"\ldots{}", "–": "--",
    "<": r"\textless{}", ">": r"\textgreater{}", "÷": r"$\div$", "µ": r"\textmu{}",
}  # fmt: skip

_SMARAGDINE = """\
@inproceedings{babakol2024tensor,
  author = {Babakol, Timur and Liu, Yu David},
  title = {Tensor-Aware Energy Accounting},
  booktitle = {Proceedings of the 46th IEEE/ACM International Conference on Software Engineering (ICSE)},
  year = {2024},
  doi = {10.1145/3597503.3639156}
}"""
_SOCIAL_COST = """\
@article{ricke2018country,
  author = {Ricke, Katharine and Drouet, Laurent and Caldeira, Ken and Tavoni, Massimo},
  title = {Country-level social cost of carbon},
  journal = {Nature Climate Change},
  volume = {8},
  pages = {895--900},
  year = {2018}
}"""
_TRACKER = """\
@article{henderson2020towards,
  author = {Henderson, Peter and Hu, Jieru and Romoff, Joshua and Brunskill, Emma and Jurafsky, Dan and Pineau, Joelle},
  title = {Towards the Systematic Reporting of the Energy and Carbon Footprints of Machine Learning},
  journal = {Journal of Machine Learning Research},
  volume = {21},
  year = {2020}
}"""


def write(statement: Statement, anonymous: bool) -> str:
    entries = bibliography(statement)
    cited = [one.partition("{")[2].partition(",")[0] for one in entries]
    table = "\n".join(
        f"  {escaped(label.strip())} & {escaped(value)} \\\\" for label, value in rows(statement, anonymous=anonymous)
    )
    below = "\n".join(f"% {line}" for entry in entries for line in (*entry.splitlines(), ""))
    notice = f"\\textbf{{{escaped(statement.notice)}}}\n\n" if statement.notice else ""
    own = statement.credit is not None and not statement.imported
    how = "Energy was accounted with Smaragdine" if own else "This statement was made with Smaragdine"
    # Two documents in one file: what a comment sign precedes goes into the .bib.
    return (
        f"{notice}\\paragraph{{Carbon impact statement}}\n"
        f"{escaped(sentence(statement))} {how} \\cite{{{','.join(cited)}}}.\n\n"
        f"\\begin{{tabular}}{{lp{{0.7\\linewidth}}}}\n{table}\n\\end{{tabular}}\n\n"
        f"% BibTeX:\n{below}"
    ).rstrip("% \n") + "\n"


def bibliography(statement: Statement, key: str = "carbonintensity") -> list[str]:
    """BibTeX entries of what the statement stands on; `key` is that of its carbon intensity."""
    entries = [_SMARAGDINE, _TRACKER]
    if statement.cost and statement.kg is not None:
        entries.append(_SOCIAL_COST)
    if statement.emissions:
        row = statement.emissions.place.intensity
        entries.append(
            f"@misc{{{key},\n  title = {{Carbon intensity of electricity, {escaped(row.name)}}},\n"
            f"  howpublished = {{{escaped(row.source)}}},\n  note = {{{escaped(row.method)}, {escaped(row.scope)}}},\n"
            f"  year = {{{row.year or 'n.d.'}}}\n}}"
        )
    return entries


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(_SPECIAL.get(letter, letter) for letter in shown(text))
