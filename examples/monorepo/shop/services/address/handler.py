"""Answer the requests of the service address."""


def answer(config):
    return {"service": "address", "asks": sorted(config["peers"])}
