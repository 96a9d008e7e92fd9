"""Answer the requests of the service support."""


def answer(config):
    return {"service": "support", "asks": sorted(config["peers"])}
