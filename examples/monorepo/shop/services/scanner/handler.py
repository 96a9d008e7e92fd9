"""Answer the requests of the service scanner."""


def answer(config):
    return {"service": "scanner", "asks": sorted(config["peers"])}
