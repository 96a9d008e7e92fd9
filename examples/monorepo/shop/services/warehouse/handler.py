"""Answer the requests of the service warehouse."""


def answer(config):
    return {"service": "warehouse", "asks": sorted(config["peers"])}
