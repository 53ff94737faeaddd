"""Rows as a pandas DataFrame, where pandas is installed: nothing else of the package needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smaragdine.errors import SmaragdineError

if TYPE_CHECKING:
    import pandas as pd


def dataframe(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """The columns are there even when there are no rows."""
    try:
        import pandas as pd
    except ImportError:
        raise SmaragdineError("pandas is not installed", "pip install pandas, or use trace.sql(…)") from None
    return pd.DataFrame(list(rows), columns=list(columns))
