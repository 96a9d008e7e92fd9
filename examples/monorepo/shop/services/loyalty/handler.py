"""Answer the requests of the service loyalty."""


def answer(config):
    return {"service": "loyalty", "asks": sorted(config["peers"])}
