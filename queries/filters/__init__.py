"""Filters: which rows a question is about, in one expression that users write.

``src_namespace = "payments" AND dstport IN (5432, 3306) AND src_address CIDR
"10.0.0.0/8"``. Text is parsed against a closed list of fields into a tree, and the tree
compiled to SQL that binds every value.
"""

from queries.filters.compiling import Compiled, compiled
from queries.filters.completing import complete
from queries.filters.fields import ALIASES, types_of
from queries.filters.parsing import parse, validate
from queries.filters.tree import FieldType, Filter, fields_of
from queries.filters.writing import canonical

__all__ = [
    "ALIASES",
    "Compiled",
    "FieldType",
    "Filter",
    "canonical",
    "compiled",
    "complete",
    "fields_of",
    "parse",
    "types_of",
    "validate",
]
