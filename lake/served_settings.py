"""Settings of what answers: reports, SQL over REST, and who may ask."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, SecretStr

MIB = 1024 * 1024
SigningAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
    "EdDSA",
]  # fmt: skip


class ServedSettings(BaseModel):
    """The limits of questions, where the service listens, and who may ask."""

    query_timeout_s: float = Field(30.0, gt=0, description="Limit of one question.")
    query_memory_bytes: int = Field(
        4096 * MIB, ge=128 * MIB, description="DuckDB memory limit."
    )
    rates: str | None = Field(
        None,
        description="CSV file of prices that estimates are made from, in place of the "
        "dated one that comes with flowlake: item,usd_per_gb,region,as_of,source.",
    )
    indicators: str | None = Field(
        None,
        description="Text or CSV file of addresses and CIDRs to look for, one a line, "
        "with a label after a comma; comments behind #.",
    )
    mmdb: str | None = Field(
        None,
        description="MaxMind DB files of your own for countries and AS, one or several "
        "between the system's path separators (:).",
    )
    max_rows: int = Field(10_000, ge=1, description="Rows in one REST answer.")

    sql_enabled: bool = Field(
        False, description="Whether POST /v1/sql answers; for callers without limits."
    )
    sql_timeout_s: float = Field(
        30.0, gt=0, description="Limit of one SQL query over REST; it is killed then."
    )
    sql_memory_bytes: int = Field(
        2048 * MIB,
        ge=256 * MIB,
        description="Memory that one SQL query over REST may take, bytes.",
    )
    sql_max_rows: int = Field(
        10_000, ge=1, description="Rows in one answer to SQL over REST."
    )
    sql_max_bytes: int = Field(
        32 * MIB, ge=MIB, description="Bytes of rows in one answer to SQL over REST."
    )
    sql_children: int = Field(
        2, ge=1, le=64, description="SQL queries over REST at once; more get 503."
    )
    sql_without_barrier: bool = Field(
        False,
        description="Answer SQL over REST also where the system cannot bar a query's "
        "process from files and network (Linux on x86_64 and aarch64 can).",
    )

    host: str = Field("127.0.0.1", description="Address that `serve` listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port that `serve` listens on.")
    trusted_proxies: str | None = Field(
        None,
        description="Addresses and CIDRs of proxies, comma-separated, whose "
        "X-Forwarded-For and X-Forwarded-Proto `serve` believes; default: nobody's.",
    )
    max_concurrent: int = Field(
        0,
        ge=0,
        le=32,
        description="REST questions answered at once; 0: two a core, at least 4.",
    )
    max_queued: int = Field(
        64, ge=0, description="REST questions that wait for their turn; more get 503."
    )
    max_wait_s: float = Field(
        30.0, gt=0, description="Seconds that a REST question waits before it gets 503."
    )
    rate_per_minute: int = Field(
        0,
        ge=0,
        description="REST requests a minute of one key, or of one client address where "
        "there are no keys; 0: no limit.",
    )
    rate_burst: int = Field(
        60, ge=1, description="REST requests that may come at once, within that rate."
    )
    max_body_bytes: int = Field(
        MIB, ge=1024, description="A REST request with a larger body gets 413."
    )
    cursor_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="What cursors are signed with; the same in every process that "
        "serves one lake. Default: random, so cursors end with the process.",
    )

    auth: Literal["auto", "required"] = Field(
        "auto",
        description="`required`: nobody is served without key or token. `auto`: so too "
        "once there are keys or an issuer, and beyond loopback always.",
    )
    keys: SecretStr | None = Field(
        None,
        description="Database URL of the API keys, such as postgresql://…; default: "
        "keys.sqlite in the lake directory.",
    )
    key_pepper: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret that hashes of keys depend on, the same for all servers; "
        "default: keys.pepper beside keys.sqlite, made with the first key.",
    )
    oidc_issuer: str | None = Field(
        None, description="`iss` of the bearer tokens that are taken, exactly."
    )
    oidc_audience: str | None = Field(
        None, description="`aud` that a bearer token must be for."
    )
    oidc_jwks_url: str | None = Field(
        None, description="Where the issuer's keys are; default: as it says itself."
    )
    oidc_algorithms: tuple[SigningAlgorithm, ...] = Field(
        ("RS256", "ES256"),
        min_length=1,
        description="Signatures of tokens that are taken, as JSON; asymmetric only.",
    )
    oidc_leeway_s: float = Field(
        30.0, ge=0, le=300, description="How far the issuer's clock may be off."
    )
    oidc_scopes_claim: str = Field(
        "flowlake_scopes", description="Claim of the scopes; without it: none."
    )
    oidc_accounts_claim: str = Field(
        "flowlake_accounts", description="Claim of the account ids seen, or `*`."
    )
    oidc_vpcs_claim: str = Field(
        "flowlake_vpcs", description="Claim of the VPC ids seen, or `*`."
    )
    oidc_namespaces_claim: str = Field(
        "flowlake_namespaces", description="Claim of the namespaces seen, or `*`."
    )
    audit: str | None = Field(
        None,
        description="File that every request is noted in, one JSON line each; `-`: "
        "standard output; default: audit.jsonl in the lake directory where keys or "
        "tokens are asked for.",
    )
