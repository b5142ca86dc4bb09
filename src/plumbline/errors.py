"""The one error that users are meant to read."""


class PlumblineError(ValueError):
    """Something a person can mend: says what was expected, what was got and what to do.

    The command line prints its text as one paragraph and exits with code 2; a library user can catch it
    as the `ValueError` it is.
    """
