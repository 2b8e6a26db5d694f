"""An app's functions on this machine, live: HTTP on loopback, AWS's own runtime client behind it.

HTTP request ── gateway ── the function's environments ── runtime ── python -m awslambdaric
                routes,     started when they are needed,  the Lambda
                events      anew when the code changes     Runtime API
"""
