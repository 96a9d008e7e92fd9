"""Answer the requests of the service currency."""


def answer(config):
    return {"service": "currency", "asks": sorted(config["peers"])}
