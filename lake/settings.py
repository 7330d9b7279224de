"""Every setting, in one frozen class; read once, passed down."""

from __future__ import annotations

import re
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any, Literal, Self

from pydantic import (
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as UnreadableSetting

from lake.errors import SettingsError
from lake.secrets import learn

MIB = 1024 * 1024
TableName = Literal[
    "flows", "tgw_flows", "sources", "silences", "quarantine", "identities",
    "configurations", "edges_hourly", "endpoints_hourly", "rejections_hourly",
    "coverage_hourly", "edges_daily",
]  # fmt: skip
SigningAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
    "EdDSA",
]  # fmt: skip


class Settings(BaseSettings):
    """The settings of one process: ``FLOWLAKE_…``, then ``flowlake.toml``."""

    model_config = SettingsConfigDict(
        env_prefix="FLOWLAKE_", toml_file="flowlake.toml", frozen=True, extra="forbid"
    )

    lake: str = Field("./lake", description="Directory of the embedded lake.")
    catalog: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="PyIceberg catalog properties as JSON (type, uri, warehouse, "
        "s3.endpoint, …); empty: SQLite in the lake directory.",
    )
    warehouse: str | None = Field(
        None,
        description="Where data files go, such as s3://bucket/prefix; for one lake "
        "alone: gc deletes there what the lake does not name.",
    )
    evidence: str | None = Field(
        None,
        description="Where evidence goes, such as s3://bucket/prefix; needed where the "
        "warehouse takes tables only (S3 Tables); for one lake alone. Default: beside "
        "the tables.",
    )
    namespace: str = Field("flowlake", description="Iceberg namespace of the tables.")

    workers: int = Field(0, ge=0, le=64, description="Decoding threads; 0: one a core.")
    fetchers: int = Field(16, ge=1, le=256, description="S3 connections kept at once.")
    memory_bytes: int = Field(
        1024 * MIB, ge=128 * MIB, description="Budget of one ingest process, bytes."
    )
    batch_bytes: int = Field(
        2048 * MIB, ge=1, description="Source bytes committed in one snapshot."
    )
    batch_objects: int = Field(
        20_000, ge=1, description="Source objects committed in one snapshot."
    )
    max_object_bytes: int = Field(
        8192 * MIB, ge=1, description="A larger object, decompressed, is quarantined."
    )
    max_line_bytes: int = Field(
        64 * 1024, ge=256, description="A longer line is quarantined."
    )
    max_quarantine_rows: int = Field(
        1000, ge=1, description="Quarantine rows kept an object; the rest is counted."
    )
    log_format: str | None = Field(
        None, description="Fields of headerless text, as in DescribeFlowLogs."
    )
    list_days: int = Field(
        0, ge=0, description="Days of prefixes that a frequent run lists; 0: all."
    )
    s3_retries: int = Field(
        8, ge=0, description="Attempts after a failed S3 or SQS call."
    )
    queue_gather_s: float = Field(
        10.0, ge=0, description="Seconds that messages are gathered for one snapshot."
    )
    queue_settle_s: float = Field(
        300.0,
        ge=0,
        description="Seconds after which a followed queue waits for what else a run "
        "does: settling, roll-ups.",
    )

    networks: str | None = Field(
        None, description="CSV file of your labels: CIDR,label, one a line."
    )
    owner_key: str | None = Field(
        None, description="Tag or label key whose value is the owner, such as team."
    )
    inventory_labels: tuple[str, ...] = Field(
        ("*",),
        description="Keys of Kubernetes labels kept of workloads and services, as "
        "JSON, with * and ?; `suggest` selects pods by them.",
    )
    lateness_minutes: int = Field(
        60, ge=0, description="An hour is settled so many minutes after its end."
    )
    rollups: bool = Field(True, description="Roll-ups follow at the end of an ingest.")
    rollup_addresses: Literal["full", "cut", "hashed"] = Field(
        "full",
        description="How roll-ups keep internet addresses: `cut` to /24 and /48, or "
        "`hashed` with FLOWLAKE_ADDRESS_KEY.",
    )
    address_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret that internet addresses in roll-ups are hashed with; the "
        "same in every process that fills one lake.",
    )

    snapshots_kept: int = Field(
        100, ge=2, description="Snapshots kept a table, beyond the slowest mark."
    )
    gc_age_days: float = Field(
        3.0,
        gt=1,
        description="Files younger than this are never collected; more than the day "
        "that a batch may take.",
    )
    target_file_bytes: int = Field(
        256 * MIB, ge=1, description="Size of a compacted data file."
    )

    retain_days: dict[TableName, PositiveInt] = Field(
        default_factory=dict,
        description="Days that `retain` keeps, by table, as JSON: flows, sources, …; "
        "a table that is not named keeps all.",
    )

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
        description="File that every request is noted in, one JSON line each; default: "
        "audit.jsonl in the lake directory where keys or tokens are asked for.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, ``flowlake.toml``."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    @model_validator(mode="after")
    def _has_address_key(self) -> Self:
        if self.rollup_addresses == "hashed" and self.address_key is None:
            raise ValueError(
                "FLOWLAKE_ROLLUP_ADDRESSES is hashed: set FLOWLAKE_ADDRESS_KEY to a "
                "secret of 16 characters or more"
            )
        return self

    @property
    def lake_path(self) -> Path:
        """The lake directory, absolute."""
        return Path(self.lake).expanduser().resolve()

    def masked(self) -> dict[str, Any]:
        """Return the effective values, secrets masked, for people to read."""
        return self.model_dump(mode="json")

    def learn_secrets(self) -> None:
        """Let what is logged and told be masked by these settings' secrets."""
        own = [v.get_secret_value() for _, v in self if isinstance(v, SecretStr)]
        catalog = {name: v.get_secret_value() for name, v in self.catalog.items()}
        learn(own, catalog)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings once.

    Args:
        overrides: Values from the command line; those that are None are left out.

    Raises:
        SettingsError: A value does not fit; the message names the variable.
    """
    given = {k: v for k, v in overrides.items() if v is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems = "; ".join(
            f"{_named(e['loc'])}: {e['msg']}"  # never e['input']: it may be a secret
            for e in error.errors(include_url=False, include_input=False)
        )
        raise SettingsError(problems) from None
    except UnreadableSetting as error:
        names = re.findall('field "([a-z_]+)"', str(error)) or ["settings"]
        raise SettingsError(
            f"FLOWLAKE_{names[0].upper()}: it should be JSON: {error.__cause__}"
        ) from None
    except (TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"flowlake.toml cannot be read: {error}") from None
    settings.learn_secrets()
    return settings


def _named(place: tuple[int | str, ...]) -> str:
    """Return where a value stands: its variable, and what within it."""
    if not place:
        return "settings"
    variable, *within = (str(part) for part in place)
    of = f" ({', '.join(w for w in within if w != '[key]')})" if within else ""
    return f"FLOWLAKE_{variable.upper()}{of}"
