"""Tear sheets: the evidence of every strategy as pages."""

from qgtm_resources.tearsheets.pages import write_tearsheets

__all__ = ["write_tearsheets"]
