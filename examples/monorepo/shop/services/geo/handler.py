"""Answer the requests of the service geo."""


def answer(config):
    return {"service": "geo", "asks": sorted(config["peers"])}
