"""Answer the requests of the service stock."""


def answer(config):
    return {"service": "stock", "asks": sorted(config["peers"])}
