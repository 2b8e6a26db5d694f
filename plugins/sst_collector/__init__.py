"""The collector: `sst collector`. It takes events in and publishes what they say in aggregate.

    POST /events ─app─> journal ─loader─> warehouse ─publication─> snapshot.json ─site─> GET /, export
                 schema                             ranking, suppression                        public

Data flows one way. `app` answers requests and touches only the journal and the snapshot; `upkeep` drives the rest, at
its own pace; `server` puts the parts together.
"""
