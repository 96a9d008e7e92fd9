"""Answer the requests of the service session."""


def answer(config):
    return {"service": "session", "asks": sorted(config["peers"])}
