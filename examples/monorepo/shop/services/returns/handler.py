"""Answer the requests of the service returns."""


def answer(config):
    return {"service": "returns", "asks": sorted(config["peers"])}
