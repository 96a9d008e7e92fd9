"""Answer the requests of the service shipping."""


def answer(config):
    return {"service": "shipping", "asks": sorted(config["peers"])}
