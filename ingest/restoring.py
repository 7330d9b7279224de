"""The command that makes a lost catalog anew."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from lake.catalog import Lake
from lake.restore import restore as restore_catalog
from lake.settings import load_settings


def restore(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be registered")
    ] = False,
) -> None:
    """Make a lost catalog anew from the metadata that lies beside the tables' files.

    Tables that the catalog knows are left as they are. Run `flowlake repair` and an
    ingest afterwards: what the last commits brought may have to be read again. Exit
    codes: 0 every table is known; 1 of some there is no metadata (they are made, empty,
    by the next ingest); 3 of none.
    """
    with Lake(load_settings(), create=True) as lake:
        done = restore_catalog(lake, dry_run=dry_run)
    typer.echo(json.dumps({name: asdict(each) for name, each in done.items()}))
    if not all(each.metadata for each in done.values()):
        raise typer.Exit(1)
