"""The one exception that a user's mistake ends in."""


class UserError(Exception):
    """A mistake that the user can mend: a wrong file, field, shape or board.

    The message is one sentence that names the file, the field, what was found and what
    would be right. The command lines print it on stderr and exit with status 2; a
    caller of the library catches it like any exception.
    """
