"""Answer the requests of the service checkout."""


def answer(config):
    return {"service": "checkout", "asks": sorted(config["peers"])}
