"""The three formulas, typeset as MathML: each variable has the colour of the words beside it."""

from __future__ import annotations

import html as markup

from dash import dcc, html

from smaragdine.accounts.quantity import percent
from smaragdine.figures.consumption import Compared, scaled
from smaragdine.view.what_if.field import field
from smaragdine.view.what_if.state import State
from smaragdine.what_if.course import CO2E, KWH, Course, mean_power_w
from smaragdine.what_if.profile import Profile


def typeset(profile: Profile, course: Course) -> str:
    """The formulas with the numbers of one course."""
    factor = course.ratio.energy * (1.0 if course.estimate is None else course.estimate.factor)
    kwh = sum(course.kwh)
    before, name = kwh / factor if factor else 0.0, "E" if factor == 1 else "E₀"
    hours = course.duration_s / course.ratio.time / 3600 if course.duration_s else None
    rows = [_row(name, *_energy(profile, before, course.pue), _with_unit(KWH, before))]
    if hours is not None:
        drawn = before * 1000 / hours
        parts = _sum("p", profile)
        rows = [
            _row("P", f'<mrow class="v-power">{parts}</mrow><mo>×</mo>{_v("pue", "PUE")}',
                 f"{_n('power', _number(drawn / course.pue, 'W'))}<mo>×</mo>{_n('pue', f'{course.pue:g}')}",
                 _number(drawn, "W")),
            _row(name, f'<mi>P</mi><mo>×</mo>{_v("time", "t")}<mo>÷</mo><mn>1000</mn>',
                 f"{_n('', _number(drawn, 'W'))}<mo>×</mo>{_n('time', _number(hours, 'h'))}<mo>÷</mo><mn>1000</mn>",
                 _with_unit(KWH, before)),
        ]  # fmt: skip
    if course.ratio.energy != 1:
        fraction = (
            '<mfrac><mrow class="v-hardware"><msub><mi>p</mi><mi>a</mi></msub><mo>/</mo>'
            "<msub><mi>s</mi><mi>a</mi></msub></mrow>"
            '<mrow class="v-hardware"><mi>p</mi><mo>/</mo><mi>s</mi></mrow></mfrac>'
        )
        after = before * course.ratio.energy
        rows.append(
            _row("E" if course.estimate is None else "E₁", f"<mi>E₀</mi><mo>×</mo>{fraction}",
                 f"{_n('', _with_unit(KWH, before))}<mo>×</mo>{_n('hardware', f'{course.ratio.energy:.4g}')}",
                 _with_unit(KWH, after))
        )  # fmt: skip
    if course.estimate is not None:
        last = "E₁" if course.ratio.energy != 1 else "E₀"
        rows.append(
            _row("E", f"<mi>{last}</mi><mo>×</mo><mo>(</mo><mn>1</mn><mo>−</mo>{_v('layers', 'saved')}<mo>)</mo>",
                 f"{_n('', _with_unit(KWH, before * course.ratio.energy))}<mo>×</mo>"
                 f"{_n('layers', f'{course.estimate.factor:.4g}')}", _with_unit(KWH, kwh))
        )  # fmt: skip
    if course.g_per_kwh is not None:
        grams = sum(course.values(CO2E))
        rows.append(
            _row("CO2e", f'<mi>E</mi><mo>×</mo>{_v("intensity", "I")}',
                 f"{_n('', _with_unit(KWH, kwh))}<mo>×</mo>"
                 f"{_n('intensity', f'{grams / kwh if kwh else 0:.4g} g/kWh')}", _with_unit(CO2E, grams))
        )  # fmt: skip
    return f'<math display="block"><mtable columnalign="right left">{"".join(rows)}</mtable></math>'


def _sum(letter: str, profile: Profile) -> str:
    """Of all components."""
    terms = (f"<msub><mi>{letter}</mi><mtext>{markup.escape(one)}</mtext></msub>" for one in profile.points[0].kwh)
    return f"<mo>(</mo>{'<mo>+</mo>'.join(terms)}<mo>)</mo>"


def _energy(profile: Profile, before: float, pue: float) -> tuple[str, str]:
    """Where it is not known how long it took, so that there is no power."""
    formula = f'<mrow class="v-power">{_sum("E", profile)}</mrow><mo>×</mo>{_v("pue", "PUE")}'
    return formula, f"{_n('power', _with_unit(KWH, before / pue))}<mo>×</mo>{_n('pue', f'{pue:g}')}"


def card(state: State, profile: Profile, course: Course) -> html.Details:
    """Collapsed, the formulas alone; expanded, what each constant is, to be changed in place."""
    asked = state.scenario
    power_w = mean_power_w(profile)
    hours = profile.duration_s / 3600 if profile.duration_s else None
    value = course.g_per_kwh[0] if course.g_per_kwh else None
    fields = [
        _field("power", "the mean power of the computers", "power_w", asked.power_w, power_w, "W"),
        _field("pue", "what the site draws for each watt of the computers, its PUE", "pue", asked.pue,
               profile.pue or 1.0, ""),
        _field("time", f"the hours that all {profile.by}s took together", "duration_h", asked.duration_h, hours, "h"),
        _field("intensity", "what a kilowatt-hour emits there", "g_per_kwh", asked.g_per_kwh, value, "g/kWh"),
        _field("price", "what a kilowatt-hour costs, in any currency", "price", asked.price, None, "per kWh"),
    ]  # fmt: skip
    return html.Details(
        [
            html.Summary("What each of them is, and to change it"),
            html.Div(fields, className="constants"),
            html.P(course.intensity.origin if course.intensity else "no place: energy stays energy", className="fine"),
        ],
        open=True,
    )


def totals(compared: Compared) -> html.Div:
    """The sums, side by side, with the difference."""
    present, other = compared.present, compared.alternative
    tiles = []
    for quantity, title in ((KWH, "energy, PUE included"), (CO2E, "emissions")):
        if quantity == CO2E and present.g_per_kwh is None and (other is None or other.g_per_kwh is None):
            continue
        now = present.total(quantity) if quantity == KWH or present.g_per_kwh is not None else None
        then = None if other is None or (quantity == CO2E and other.g_per_kwh is None) else other.total(quantity)
        tiles.append(_tile(title, _with_unit(quantity, now), _with_unit(quantity, then), now, then))
    if present.duration_s is not None:
        then = None if other is None else other.duration_s
        tiles.append(_tile("time", _time(present.duration_s), "" if then is None else _time(then), present.duration_s,
                           then))  # fmt: skip
    return html.Div(tiles, className="tiles")


def _tile(title: str, now: str, then: str, before: float | None, after: float | None) -> html.Div:
    shown = [html.Span(title), html.B(now or "–")]
    if then and after is not None:
        change = ""
        if before:
            share = after / before - 1
            change = " as now" if abs(share) < 5e-4 else f" {'−' if share < 0 else '+'}{percent(abs(share))}"
        shown.append(html.Small([html.Em(then), change], className="then"))
    return html.Div(shown, className="tile")


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _field(kind: str, words: str, name: str, told: float | None, known: float | None, unit: str) -> html.Label:
    shown = told if told is not None else None if known is None else float(f"{known:.6g}")
    return html.Label(
        [
            html.Span(words, className=f"v-{kind}"),
            dcc.Input(
                id=field(name, "", shown), type="number", value=shown, debounce=True, step="any",
                placeholder="not told", className="changed" if told is not None else "",
            ),
            html.Small(unit),
        ],
        className="constant",
    )  # fmt: skip


def _row(name: str, formula: str, numbers: str, result: str) -> str:
    ends = f"<mo>=</mo>{_n('', result)}" if result else ""
    return f"<mtr><mtd><mi>{name}</mi></mtd><mtd><mo>=</mo>{formula}<mo>=</mo>{numbers}{ends}</mtd></mtr>"


def _v(kind: str, name: str) -> str:
    return f'<mi class="v-{kind}">{name}</mi>'


def _n(kind: str, text: str) -> str:
    return f'<mtext class="v-{kind}">{markup.escape(text)}</mtext>'


def _number(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}"


def _with_unit(quantity: str, value: float | None) -> str:
    if value is None:
        return ""
    factor, unit = scaled(quantity, value)
    return f"{value * factor:.4g} {unit}"
