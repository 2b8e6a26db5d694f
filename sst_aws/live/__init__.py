"""An app's functions on this machine, live: HTTP on loopback, AWS's own runtime client behind it.

HTTP request ── gateway ── pool ────────────────────────── runtime ── python -m awslambdaric
                routes,    environments as they are needed, the Lambda
                events     anew when the code changes       Runtime API
"""
