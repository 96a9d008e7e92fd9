"""Answer the requests of the service storage."""


def answer(config):
    return {"service": "storage", "asks": sorted(config["peers"])}
