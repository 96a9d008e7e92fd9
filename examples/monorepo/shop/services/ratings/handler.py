"""Answer the requests of the service ratings."""


def answer(config):
    return {"service": "ratings", "asks": sorted(config["peers"])}
