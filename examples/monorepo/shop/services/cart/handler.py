"""Answer the requests of the service cart."""


def answer(config):
    return {"service": "cart", "asks": sorted(config["peers"])}
