"""The collector: `sst collector`. It takes events in and publishes what they say in aggregate.

    POST /events ─intake─> journal ─loader─> warehouse ─publication─> snapshot.json ─site─> GET /, export
               exchange, schema                        ranking, suppression                    app, public

Data flows one way. `intake` and `app` answer requests and touch only the journal and the snapshot; `upkeep` drives the
rest, at its own pace; `server` puts the parts together.
"""
