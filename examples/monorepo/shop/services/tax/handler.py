"""Answer the requests of the service tax."""


def answer(config):
    return {"service": "tax", "asks": sorted(config["peers"])}
