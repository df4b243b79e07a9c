"""What can go wrong between a client and the API, split by blame."""

from __future__ import annotations

from fleetpy.errors import FleetError, UnavailableError, UserError


class ApiError(FleetError):
    """The API answered with an error; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiRefusedError(ApiError, UserError):
    """The API refused what was asked (a status from 400 to 499); asking again gives the same answer."""


class ApiFailedError(ApiError, UnavailableError):
    """The API could not do what was asked (500 and more): the registry is away, or the API is starting or ending."""


class ApiUnreachableError(UnavailableError):
    """Nobody answered: no socket, nobody behind it, no route."""


class ApiDistrustError(ApiUnreachableError):
    """TLS failed: one side does not trust the other, or somebody does not speak it."""


class ApiForbiddenError(ApiUnreachableError):
    """This user may not open the API's socket."""


class ApiTimeoutError(ApiUnreachableError):
    """Nobody answered in time."""


class UnreadableAnswerError(UnavailableError):
    """Something answered, but not as a fleet API does."""
