"""Answer the requests of the service search."""


def answer(config):
    return {"service": "search", "asks": sorted(config["peers"])}
