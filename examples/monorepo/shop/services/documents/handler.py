"""Answer the requests of the service documents."""


def answer(config):
    return {"service": "documents", "asks": sorted(config["peers"])}
