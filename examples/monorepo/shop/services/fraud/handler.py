"""Answer the requests of the service fraud."""


def answer(config):
    return {"service": "fraud", "asks": sorted(config["peers"])}
