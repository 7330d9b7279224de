"""Every setting, in one frozen class; read once, passed down."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any, Self

import structlog
from pydantic import (
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
from lake.job_settings import JobSettings
from lake.secrets import learn
from lake.served_settings import ServedSettings

log = structlog.get_logger()

PREFIX = "FLOWLAKE_"
NO_SETTING = ("FLOWLAKE_DEBUG",)  # it says how errors are shown, before any is read


class Settings(ServedSettings, JobSettings, BaseSettings):
    """The settings of one process: ``FLOWLAKE_…``, then ``flowlake.toml``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, toml_file="flowlake.toml", frozen=True, extra="forbid"
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
        learn(own, catalog, [value for _, value in self if isinstance(value, str)])


def load_settings(**overrides: Any) -> Settings:
    """Read the settings once.

    Args:
        overrides: Values from the command line; those that are None are left out.

    Raises:
        SettingsError: A value does not fit; the message names the variable.
    """
    _warn_of_unknown(tuple(name for name in os.environ if name.startswith(PREFIX)))
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


@cache  # once a process, however often settings are read
def _warn_of_unknown(given: tuple[str, ...]) -> None:
    """Say which variables are no setting: a name that is mistyped does nothing."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in given:
        if name.upper() not in known and name not in NO_SETTING:
            near = get_close_matches(name.upper(), known, n=1)
            log.warning("setting_unknown", name=name, meant=near[0] if near else None,
                        do="`flowlake settings` prints all")  # fmt: skip
