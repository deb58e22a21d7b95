from tests.houses import books, history, house, module_ledger_url, new_house, shared_folder

__all__ = ["books", "history", "house", "module_ledger_url", "new_house", "shared_folder"]
