"""The command that says what would have to be configured for observed traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from lake.errors import UsageError
from lake.settings import load_settings
from queries import formats
from queries.answers import answer, pose
from queries.catalogue import load_report
from queries.cli import FilterOption, OutputOption, WhereOption, given_filters
from queries.contract import Report
from queries.engine import Engine
from queries.output import check_writable, opened, table_or_json
from queries.policies import configured
from queries.suggested import aws, cloudformation, networkpolicy, terraform, told
from transform.policy.cover import LEAST, PREFERENCES
from transform.policy.edges import Edge, edges_of
from transform.policy.latest import Latest
from transform.policy.suggest import Suggested
from transform.policy.suggest import suggest as suggested
from transform.policy.workloads import PodPolicy, Selectors, pod_policies

OBSERVED = Path(__file__).parent / "policy" / "observed.sql"
CONFIGURATIONS = "configurations"
VERDICTS = REJECTED, ACCEPTED = ("rejected", "accepted")
RULES, AWS, TERRAFORM, CLOUDFORMATION, NETWORKPOLICY, CHANGES = FORMS = (
    "rules", "aws", "terraform", "cloudformation", "networkpolicy", "changes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Advice:
    """All that is suggested for what a question is about.

    Attributes:
        meta: Of the answer that the edges are of.
        rules: Security groups' and network ACLs'.
        policies: Of pods.
        unselected: Edges that are in no policy.
    """

    meta: Mapping[str, Any]
    edges: Sequence[Edge]
    rules: Suggested
    policies: Sequence[PodPolicy]
    unselected: told.Missing


def suggest(
    *,
    since: Annotated[str | None, typer.Option(help="24h, 7d, 2026-01-31")] = None,
    until: Annotated[str | None, typer.Option(help="now, 2026-01-31T12:00Z")] = None,
    where: WhereOption = None,
    filter_: FilterOption = None,
    verdict: Annotated[
        str, typer.Option(help="Of which records: rejected or accepted")
    ] = REJECTED,
    prefer: Annotated[
        str,
        typer.Option(
            help="least: a rule names a group where that opens nothing unobserved, "
            "else addresses; groups: also where several clients carry it; addresses"
        ),
    ] = LEAST,
    anew: Annotated[
        bool, typer.Option("--anew", help="As if security groups had no rules yet")
    ] = False,
    as_: Annotated[
        str,
        typer.Option(
            "--as",
            help="rules (all of it), aws, terraform, cloudformation, networkpolicy or "
            "changes",
        ),
    ] = RULES,
    limit: Annotated[str | None, typer.Option(help="The most edges")] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="Of rules: table or json; table on a terminal"),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Suggest the least rules that let observed traffic pass, and what else they open.

    For rejections by security groups and network ACLs, chosen as in reports; what is
    configured is taken as it was last seen. NetworkPolicies are of accepted traffic
    too, for they deny all else. Nothing is changed anywhere.
    """
    kind = _checked(as_, format_, verdict, prefer, output)
    given = given_filters(
        where or (), since=since, until=until, filter=filter_, limit=limit
    )
    if "verdict" in given:
        raise UsageError("--where verdict=…: say --verdict")
    with Engine(load_settings()) as engine:
        advice = advise(
            engine,
            given,
            now=datetime.now(UTC),
            verdict=verdict,
            with_policies=as_ in (RULES, NETWORKPOLICY),
            prefer=prefer,
            anew=anew,
        )
    with opened(output) as out:
        out.write(_written(advice, as_, kind).encode())


def advise(
    engine: Engine,
    given: Mapping[str, Sequence[str]],
    *,
    now: datetime,
    verdict: str = REJECTED,
    with_policies: bool = True,
    prefer: str = LEAST,
    anew: bool = False,
) -> Advice:
    """Return what is suggested for the traffic that is asked about.

    Args:
        engine: Over the lake.
        given: Parameters as of a report about traffic, as text.
        now: What relative times count from; UTC.
        verdict: Of which records rules are suggested.
        with_policies: Whether policies of pods are, too: of accepted and rejected
            traffic together, because they deny all else.
        prefer: When a rule names a group: ``least``, ``groups`` or ``addresses``.
        anew: As if security groups had no rules.

    Raises:
        BadParameter: A parameter is unknown or not allowed.
    """
    verdicts = list(VERDICTS) if with_policies else [verdict]
    asked = {**given, "verdict": verdicts}
    found = answer(engine, pose(engine, observed(), asked, now=now))
    edges = list(edges_of(found.rows))
    pinned = engine.pin([CONFIGURATIONS])[CONFIGURATIONS]
    rows = configured(engine, pinned)
    mine = [edge for edge in edges if edge.verdict == verdict]
    rules = suggested(Latest(rows), mine, prefer=prefer, anew=anew)
    some = edges if with_policies else []
    policies, unselected = pod_policies(Selectors(rows), some)
    return Advice(found.meta, edges, rules, policies, unselected)


@cache
def observed() -> Report:
    """Return the question whose rows are the edges; it is in no catalogue."""
    return load_report(OBSERVED)


def _checked(
    as_: str, format_: str | None, verdict: str, prefer: str, output: Path | None
) -> str:
    for name, value, allowed in (
        ("as", as_, FORMS), ("verdict", verdict, VERDICTS),
        ("prefer", prefer, PREFERENCES),
    ):  # fmt: skip
        if value not in allowed:
            raise UsageError(f"--{name} {value}: one of {', '.join(allowed)}")
    check_writable(output)
    if format_ is not None and as_ != RULES:
        raise UsageError(f"--format is of --as {RULES}: {as_} has a form of its own")
    return table_or_json(format_, "suggestions are", output)


def _written(advice: Advice, as_: str, kind: str) -> str:
    some, head = advice.rules.suggestions, told.head(advice.meta)
    if as_ == AWS:
        return aws.script(some, head)
    if as_ == TERRAFORM:
        return terraform.written(some, head)
    if as_ == CLOUDFORMATION:
        for line in cloudformation.flaws(some):
            typer.echo(f"flowlake: {line}", err=True)
        return cloudformation.written(some, head)
    if as_ == NETWORKPOLICY:
        return networkpolicy.written(advice.policies, head, advice.unselected)
    if as_ == CHANGES:
        changes = [one.change.to_json() for one in some]
        return formats.json_text(changes) + "\n"
    parts = advice.rules, advice.policies, advice.unselected
    if kind == "json":
        return formats.json_text(told.as_json(advice.meta, *parts)) + "\n"
    return told.as_text(advice.meta, *parts)
