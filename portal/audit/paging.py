"""Pages of a table with millions of rows: counted only as far as pages are offered."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

from portal.audit.selectors import MOST_LISTED


class BoundedPaginator(Paginator):
    """Counts to MOST_LISTED and no further; `more` says that the table goes on."""

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_LISTED)

    @cached_property
    def more(self) -> bool:
        return self._counted > MOST_LISTED

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: MOST_LISTED + 1].count())
