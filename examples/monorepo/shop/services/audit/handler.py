"""Answer the requests of the service audit."""


def answer(config):
    return {"service": "audit", "asks": sorted(config["peers"])}
