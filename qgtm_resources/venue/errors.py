"""Refusals of the paper venue in Alpaca's words and codes."""

from __future__ import annotations


class VenueError(Exception):
    """A refusal with its HTTP status and body `{"code": …, "message": …}`; code 0 leaves the code out."""

    def __init__(self, status: int, code: int, message: str, **details: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details

    @property
    def body(self) -> dict[str, object]:
        """The JSON body."""
        code = {"code": self.code} if self.code else {}
        return {**code, "message": self.message, **self.details}


def unauthorized() -> VenueError:
    """Key headers missing or wrong."""
    return VenueError(401, 0, "unauthorized.")


def forbidden(message: str, **details: str) -> VenueError:
    """Buying power, shares available or a permission is wanting."""
    return VenueError(403, 40310000, message, **details)


def not_found(what: str) -> VenueError:
    """The order, position or asset does not exist in this account."""
    return VenueError(404, 40410000, what)


def duplicate_client_id() -> VenueError:
    """The client order id was used before in this account."""
    return VenueError(422, 40010001, "client_order_id must be unique")


def bad_parameter(message: str) -> VenueError:
    """A parameter the venue cannot accept; sending it again unchanged is pointless."""
    return VenueError(422, 42210000, message)
