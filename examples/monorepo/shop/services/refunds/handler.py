"""Answer the requests of the service refunds."""


def answer(config):
    return {"service": "refunds", "asks": sorted(config["peers"])}
