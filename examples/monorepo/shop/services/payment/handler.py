"""Answer the requests of the service payment."""


def answer(config):
    return {"service": "payment", "asks": sorted(config["peers"])}
