"""Joules of a training of PyTorch's beside registers that move: conserved, and as computed by hand."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch
from models import MODELS, training

from smaragdine.trace.trace import Trace

COUNTED = "select domain, sum(energy_j) from readings group by domain"


def by_hand(trace: Trace, domain: str) -> dict[int, float]:
    """Equal share of the application's part of each reading, in order of time, for one lane of work."""
    readings = trace.sql(
        f"select start_ns, end_ns, energy_j * app_share from readings where domain = '{domain}' order by start_ns"
    ).fetchall()
    events = trace.sql(
        "select op, events.start_ns, events.end_ns from events join steps using (step) "
        "where traced and device = 'CPU:0' and kind = 'compute' order by 2"
    ).fetchall()
    energy_j: dict[int, float] = defaultdict(float)
    first = 0
    for op, start_ns, end_ns in events:
        while readings[first][1] <= start_ns:
            first += 1
        for from_ns, until_ns, joules in readings[first:]:
            if from_ns >= end_ns:
                break
            energy_j[op] += joules * (min(end_ns, until_ns) - max(start_ns, from_ns)) / (until_ns - from_ns)
    return energy_j


@pytest.mark.usefixtures("registers")
def test_joules_are_conserved_and_equal_those_by_hand(recorded) -> None:
    make, data = MODELS["bert"]
    model = make()
    trace = recorded(training(model, data), steps=12, model=model)
    domains = dict(trace.sql(COUNTED).fetchall())
    counted = {row[0] for row in trace.sql("select distinct domain from ledger").fetchall()}
    assert counted
    for domain in counted:
        entries = dict(
            trace.sql(f"select entry, energy_j from ledger where policy = 'equal' and domain = '{domain}'").fetchall()
        )
        assert sum(entries.values()) == pytest.approx(domains[domain], rel=1e-9)
        rows = trace.sql(
            f"select op, energy_j from footprint_domains where policy = 'equal' and domain = '{domain}'"
        ).fetchall()
        assert sum(joules for _, joules in rows) == pytest.approx(entries["operations"], rel=1e-9)
        assert entries["operations"] > 0
        hand = by_hand(trace, domain)
        assert {op for op, joules in rows if joules > 0} == {op for op, joules in hand.items() if joules > 0}
        for op, joules in rows:
            assert joules == pytest.approx(hand[op], rel=1e-6, abs=1e-12)


@pytest.mark.usefixtures("registers")
def test_tokens_of_steps_give_joules_per_token(recorded, tmp_path) -> None:
    import smaragdine

    make, data = MODELS["gpt"]
    model = make().eval()
    with smaragdine.record(tmp_path / "generated", model=model, window=2, every=2) as recording:
        for _ in range(6):
            with recording.step(tokens=256):
                model(data())
    trace = Trace.open(tmp_path / "generated")
    assert trace.sql("select sum(metrics['tokens']) from steps").fetchall() == [(6 * 256.0,)]
    phases = {phase for (phase,) in trace.sql("select distinct phase from ops where layer like 'gpt%'").fetchall()}
    assert phases == {"forward"}


@pytest.mark.usefixtures("registers")
def test_prefill_and_decode_have_joules_per_token_as_computed_by_hand(tmp_path) -> None:
    import smaragdine

    make, _ = MODELS["gpt"]
    model = make().eval()
    prompts = torch.randint(0, 64, (4, 24))
    with (
        torch.no_grad(),
        smaragdine.record(tmp_path / "generated", model=model) as recording,
        recording.span("request", requests=4),
    ):
        with recording.span("prefill", tokens=prompts.numel()):
            for _ in range(30):
                words = prompts
                model(words)
        with recording.span("decode") as decode:
            for _ in range(30):
                words = torch.cat([words, model(words)[:, -1:].argmax(-1)], 1)
                decode.tokens += len(words)
    trace = Trace.open(tmp_path / "generated")
    request, prefill, decode = trace.named_spans
    assert [span.name for span in trace.named_spans] == ["request", "prefill", "decode"]
    assert [span.parent for span in trace.named_spans] == [None, 0, 0]
    assert (request.requests, prefill.tokens, decode.tokens) == (4, 96, 120)
    for span in trace.named_spans:
        # Joules by each reading's overlap, one by one.
        hand_j = 0.0
        for domain in span.energy_j:
            rows = trace.sql(
                f"select start_ns, end_ns, energy_j * app_share from readings where domain = '{domain}'"
            ).fetchall()
            for start_ns, end_ns, joules in rows:
                common_ns = min(end_ns, span.end_ns) - max(start_ns, span.start_ns)
                hand_j += joules * max(common_ns, 0) / (end_ns - start_ns)
        assert span.energy.measured_j == pytest.approx(hand_j, rel=1e-9)
        assert hand_j > 0
    assert prefill.per_token("measured") == pytest.approx(prefill.energy.measured_j / 96)
    assert request.per_request("measured") == pytest.approx(request.energy.measured_j / 4)
