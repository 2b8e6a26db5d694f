"""The collector: `sst collector`. It takes events in and publishes what they say in aggregate.

    POST /events ─receiving─> journal ─loader─> warehouse ─publishing─> snapshot.json, site ─app─> GET /

Data flows one way. `receiving` and `app` answer requests and touch only the journal and the snapshot; `upkeep` drives
the rest, at its own pace; `server` puts the parts together.
"""
