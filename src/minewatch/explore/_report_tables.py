"""How the exploration shows a table: as any report does."""

from minewatch._report._tables import TableView

__all__ = ["TableView"]
