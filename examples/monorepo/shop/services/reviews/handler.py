"""Answer the requests of the service reviews."""


def answer(config):
    return {"service": "reviews", "asks": sorted(config["peers"])}
