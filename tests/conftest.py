"""What holds for all tests."""

import signal


def pytest_configure(config) -> None:
    """Signals end a program as usual. Whoever starts the tests in the background of a
    script has Ctrl-C ignored, by them and by all that they start, and a test that sends
    it would wait for ever."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
