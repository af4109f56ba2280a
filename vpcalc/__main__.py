"""``python -m vpcalc``, and ``vpcalc``: what stands first on their way, so that Ctrl-C is heard at once.

Nothing is imported before the handler is set but the package, which imports nothing.
"""

import os


def at_once(*_: object) -> None:
    """Ctrl-C while nothing has begun that would have to be put away: the status of a shell, and no word."""
    os._exit(130)


def main() -> None:
    """Run the command line."""
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # ignored behind nohup, and to stay so
            signal.signal(signal.SIGINT, at_once)
    except KeyboardInterrupt:
        at_once()
    from .cli.app import main as run

    run()


if __name__ == "__main__":
    main()
