"""Answer the requests of the service catalog."""


def answer(config):
    return {"service": "catalog", "asks": sorted(config["peers"])}
