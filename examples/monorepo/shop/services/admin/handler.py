"""Answer the requests of the service admin."""


def answer(config):
    return {"service": "admin", "asks": sorted(config["peers"])}
