"""Answer the requests of the service moderation."""


def answer(config):
    return {"service": "moderation", "asks": sorted(config["peers"])}
